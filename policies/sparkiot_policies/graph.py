"""From arrays to an ONNX graph that takes raw observations, and the check of a graph that came from elsewhere.

A policy's graph gives ``action`` (int64, (N, 4), the largest logit of each action) and ``logits`` (float32, (N, 35)).
A meta-controller's gives ``weights`` (float32, (N, 3)): the actor's a = tanh(...) in [-1, 1] becomes
w = (a + 1) / 2 + 0.001, divided by its sum, so that every weight is positive and they sum to 1.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper
from onnx.shape_inference import InferenceError

from .allocation import ACTION_SIZES
from .features import Features
from .mlp import Activation, Mlp
from .options import ROUNDING, ExecutorOptions

Kind = Literal["ppo", "td3"]

INPUT = "observation"
MIN_WEIGHT = 1e-3
OPSET = 17
IR_VERSION = 8

Port = tuple[str, int, int]
"""An input or output: its name, element type (TensorProto) and second dimension; the first one is the batch."""
OUTPUTS: dict[Kind, tuple[Port, ...]] = {
    "ppo": (("action", TensorProto.INT64, len(ACTION_SIZES)), ("logits", TensorProto.FLOAT, sum(ACTION_SIZES))),
    "td3": (("weights", TensorProto.FLOAT, 3),),
}

ALLOWED_OPERATORS = frozenset(
    [
        "Add",
        "ArgMax",
        "Cast",
        "Ceil",
        "Clip",
        "Concat",
        "Div",
        "Elu",
        "Gather",
        "GatherElements",
        "Gemm",
        "Identity",
        "LeakyRelu",
        "Log",
        "MatMul",
        "Max",
        "Min",
        "Mul",
        "ReduceSum",
        "Relu",
        "Sigmoid",
        "Split",
        "Sub",
        "Tanh",
        "Where",
    ]
)
"""Feed-forward arithmetic only: nothing that loops, branches, draws random numbers or runs custom code."""
MAX_NODES = 1000
MAX_VALUES = 1 << 20
"""Numbers that all nodes together may compute for one row of inputs; the largest shipped graph computes a thousand."""


class GraphError(ValueError):
    """A graph is not one that this package runs; the message says why."""


class _Builder:
    """Collects nodes and constants and names what they give."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        name = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name


def build(*, kind: Kind, network: Mlp, features: Features, options: ExecutorOptions | None = None) -> bytes:
    """The serialised graph of a network over raw inputs. Raises ValueError when their sizes do not fit.

    options: what the first part of a policy's action chooses from; None where it is the count itself.
    """
    expected = sum(ACTION_SIZES) if kind == "ppo" else OUTPUTS["td3"][0][2]
    if network.inputs != features.size or network.outputs != expected:
        raise ValueError(
            f"a {kind} network of {network.inputs} inputs and {network.outputs} outputs;"
            f" {features.size} and {expected} are needed"
        )
    builder = _Builder()
    x = _layers(builder, network, _features(builder, features))
    if kind == "ppo":
        _actions(builder, x, options)
    else:
        _weights(builder, x)
    graph = helper.make_graph(
        builder.nodes,
        "policy",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", len(features.elements)])],
        [helper.make_tensor_value_info(name, dtype, ["N", size]) for name, dtype, size in OUTPUTS[kind]],
        builder.constants,
    )
    model = helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="sparkiot"
    )
    return bytes(model.SerializeToString())


def _features(b: _Builder, features: Features) -> str:
    """``Features.apply`` as nodes, step by step in double precision."""
    if not features.features:
        return INPUT
    x = b.node("Gather", INPUT, b.constant(features.index, np.int64), axis=1)
    x = b.node("Cast", x, to=TensorProto.DOUBLE)
    if features.is_log.any():
        logarithmic = b.constant(features.is_log, np.bool_)
        shifted = b.node(
            "Add", b.node("Max", x, b.constant(features.least, np.float64)), b.constant(features.shift, np.float64)
        )
        argument = b.node("Where", logarithmic, shifted, b.constant(1, np.float64))
        x = b.node("Where", logarithmic, b.node("Log", argument), x)
    x = b.node("Mul", x, b.constant(features.scale, np.float64))
    x = b.node("Add", x, b.constant(features.offset, np.float64))
    x = b.node("Max", x, b.constant(_finite(features.low), np.float64))
    x = b.node("Min", x, b.constant(_finite(features.high), np.float64))
    return b.node("Cast", x, to=TensorProto.FLOAT)


def _finite(bounds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Bounds without infinities, which no checked graph may hold: an absent bound is the largest double."""
    limit = np.finfo(np.float64).max
    return np.clip(bounds, -limit, limit)


def _layers(b: _Builder, network: Mlp, x: str) -> str:
    for i, layer in enumerate(network.layers):
        if i:
            x = _activation(b, network.activation, x)
        x = b.node("Gemm", x, b.constant(layer.weight, np.float32), b.constant(layer.bias, np.float32), transB=1)
    return x


def _activation(b: _Builder, activation: Activation, x: str) -> str:
    match activation:
        case Activation.SILU:
            return b.node("Mul", x, b.node("Sigmoid", x))
        case Activation.RELU:
            return b.node("Relu", x)
        case Activation.ELU:
            return b.node("Elu", x)
        case Activation.LEAKY_RELU:
            return b.node("LeakyRelu", x)
        case Activation.TANH | Activation.SIGMOID:
            return b.node(activation.value, x)


def _actions(b: _Builder, x: str, options: ExecutorOptions | None) -> None:
    b.node("Identity", x, output="logits")
    parts = [f"logits{i}" for i in range(len(ACTION_SIZES))]
    b.nodes.append(helper.make_node("Split", [x, b.constant(ACTION_SIZES, np.int64)], parts, axis=1))
    chosen = [b.node("ArgMax", part, axis=1) for part in parts]
    if options and options.options:
        chosen[0] = b.node("GatherElements", _counts(b, options), chosen[0], axis=1)
    b.node("Concat", *chosen, axis=1, output="action")


def _counts(b: _Builder, options: ExecutorOptions) -> str:
    """``ExecutorOptions.counts`` as nodes."""
    x = b.node("Cast", b.node("Gather", INPUT, b.constant(options.index, np.int64), axis=1), to=TensorProto.DOUBLE)
    x = b.node("Mul", x, b.constant(options.factors, np.float64))
    x = b.node("Ceil", b.node("Sub", x, b.constant(ROUNDING, np.float64)))
    x = b.node("Min", b.node("Max", x, b.constant(1, np.float64)), b.constant(ACTION_SIZES[0], np.float64))
    return b.node("Sub", b.node("Cast", x, to=TensorProto.INT64), b.constant(1, np.int64))


def _weights(b: _Builder, x: str) -> None:
    half = b.constant(0.5, np.float32)
    raw = b.node("Mul", b.node("Add", b.node("Tanh", x), b.constant(1, np.float32)), half)
    raw = b.node("Add", raw, b.constant(MIN_WEIGHT, np.float32))
    total = b.node("ReduceSum", raw, b.constant([1], np.int64), keepdims=1)
    b.node("Div", raw, total, output="weights")


def check(data: bytes, *, kind: Kind, inputs: int) -> None:
    """Refuse a serialised graph that is not a plain feed-forward policy of this kind over ``inputs`` numbers.

    Raises GraphError. What passes holds no external data, no functions, no subgraphs, only finite constants, and takes
    little memory and time to run.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        onnx.checker.check_model(model)
        _check_operators(model)
        _check_constants(model.graph)
        _check_sizes(model)
        _check_ports("inputs", model.graph.input, ((INPUT, TensorProto.FLOAT, inputs),))
        _check_ports("outputs", model.graph.output, OUTPUTS[kind])
    except GraphError:
        raise
    # Forged names, types and shapes surface as ValueError (bad UTF-8 included) and KeyError.
    except (DecodeError, onnx.checker.ValidationError, InferenceError, ValueError, KeyError) as e:
        reason = next(iter(str(e).strip().splitlines()), type(e).__name__)
        raise GraphError(f"not a valid ONNX graph: {reason}") from e


def _check_operators(model: onnx.ModelProto) -> None:
    if model.functions:
        raise GraphError("functions are not allowed")
    domains = {n.domain for n in model.graph.node} | {o.domain for o in model.opset_import}
    if foreign := domains - {"", "ai.onnx"}:
        raise GraphError(f"operator domains {', '.join(sorted(foreign))} are not allowed")
    if unknown := {n.op_type for n in model.graph.node} - ALLOWED_OPERATORS:
        raise GraphError(f"operators {', '.join(sorted(unknown))} are not allowed")


def _check_constants(graph: onnx.GraphProto) -> None:
    if graph.sparse_initializer:
        raise GraphError("sparse constants are not allowed")
    for tensor in graph.initializer:
        if tensor.external_data or tensor.data_location != TensorProto.DEFAULT:
            raise GraphError(f"constant {tensor.name} lies in another file")
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise GraphError(f"constant {tensor.name} holds NaN or infinity")


def _check_sizes(model: onnx.ModelProto) -> None:
    """Small constants can make a huge value, by broadcasting for one: what a row of inputs leads to has its limit.

    Raises onnx's InferenceError where shapes contradict each other.
    """
    if len(model.graph.node) > MAX_NODES:
        raise GraphError(f"{len(model.graph.node)} nodes; at most {MAX_NODES} are allowed")
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    shapes = {info.name: _row(info) for info in (*inferred.value_info, *inferred.output)}
    total = 0
    for name in (name for node in model.graph.node for name in node.output if name):
        size = shapes.get(name)
        if size is None:
            raise GraphError(f"the size of {name} is not fixed")
        total += size
    if total > MAX_VALUES:
        raise GraphError(f"{total} numbers are computed for a row of inputs; at most {MAX_VALUES} are allowed")


def _row(info: onnx.ValueInfoProto) -> int | None:
    """Numbers for a row of inputs, of which the first dimension counts the rows; None where another one is open."""
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    fixed = dims[1:] if dims and dims[0] is None else dims
    return None if None in fixed else math.prod(dim for dim in fixed if dim is not None)


def _check_ports(what: str, found: Sequence[onnx.ValueInfoProto], expected: tuple[Port, ...]) -> None:
    actual = tuple(_port(info) for info in found)
    if actual != expected:
        raise GraphError(f"{what} are {_describe(actual)}; expected {_describe(expected)}")


def _port(info: onnx.ValueInfoProto) -> Port:
    tensor = info.type.tensor_type
    dims = tensor.shape.dim
    batched = len(dims) == 2 and not dims[0].HasField("dim_value")
    return info.name, tensor.elem_type, dims[1].dim_value if batched else -1


def _describe(ports: tuple[Port, ...]) -> str:
    def shape(size: int) -> str:
        return f"(N, {size})" if size > 0 else "of another shape"

    return ", ".join(f"{n} {TensorProto.DataType.Name(t).lower()} {shape(size)}" for n, t, size in ports) or "none"
