"""Jobs, evaluations and decisions as JSON and back, exactly: what the audit log keeps and ``sparkiot replay`` reads.

JSON has no infinity: "Infinity" and "-Infinity" stand for it, as strings. NaN is refused both ways, because nothing in
this package may hold it: missing is None.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter

from .decision import Decision
from .evaluation import Evaluation
from .job import Job

_JOB = TypeAdapter(Job)
_EVALUATION = TypeAdapter(Evaluation)
_DECISION = TypeAdapter(Decision)

_T = TypeVar("_T", Job, Evaluation, Decision)


def encode_job(job: Job) -> dict[str, Any]:
    """A dictionary that JSON can hold. Raises ValueError when a number is NaN, naming it."""
    return _encode(_JOB, job)


def decode_job(data: Mapping[str, Any]) -> Job:
    """The inverse of ``encode_job``. Raises ValueError (pydantic's ValidationError) when it is not a job."""
    return _decode(_JOB, data)


def encode_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """A dictionary that JSON can hold. Raises ValueError when a number is NaN, naming it."""
    return _encode(_EVALUATION, evaluation)


def decode_evaluation(data: Mapping[str, Any]) -> Evaluation:
    """The inverse of ``encode_evaluation``. Raises ValueError (pydantic's ValidationError) when it is not one."""
    return _decode(_EVALUATION, data)


def encode_decision(decision: Decision) -> dict[str, Any]:
    """A dictionary that JSON can hold. Raises ValueError when a number is NaN, naming it."""
    return _encode(_DECISION, decision)


def decode_decision(data: Mapping[str, Any]) -> Decision:
    """The inverse of ``encode_decision``. Raises ValueError (pydantic's ValidationError) when it is not one."""
    return _decode(_DECISION, data)


def _encode(adapter: TypeAdapter[_T], value: _T) -> dict[str, Any]:
    encoded: dict[str, Any] = _plain(adapter.dump_python(value, mode="json"), "")
    return encoded


def _decode(adapter: TypeAdapter[_T], data: Mapping[str, Any]) -> _T:
    value = adapter.validate_python(data)
    _encode(adapter, value)  # refuses NaN, also where it was written as text
    return value


def _plain(value: Any, path: str) -> Any:
    """The value with infinities as text. Raises ValueError for NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        if math.isnan(value):
            raise ValueError(f"{path} is not a number; a value that is missing is null")
        return "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _plain(item, f"{path}.{key}" if path else key) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return value
