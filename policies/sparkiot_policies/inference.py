"""Running a policy's graph: onnxruntime, one thread, in order, so that a decision costs tens of microseconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as state

from .errors import PolicyError
from .graph import INPUT

RUNTIME_ERRORS = (
    state.EPFail,
    state.EngineError,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NotImplemented,
    state.RuntimeException,
    ValueError,  # an input of another type, or a message that is not UTF-8
)
"""What onnxruntime raises for a graph or an input; they have no common base."""


class Session:
    """A loaded graph. Raises PolicyError when onnxruntime refuses it."""

    def __init__(self, graph: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4  # failures arrive as exceptions; the log would repeat them on stderr
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except RUNTIME_ERRORS as e:
            raise PolicyError(f"onnxruntime refuses the graph: {e}") from e

    def run(self, outputs: Sequence[str], x: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        """The named outputs for raw inputs, shape (N, inputs)."""
        try:
            results: list[npt.NDArray[Any]] = self._session.run(outputs, {INPUT: x})
        except RUNTIME_ERRORS as e:
            raise PolicyError(f"onnxruntime cannot run the graph: {e}") from e
        return results
