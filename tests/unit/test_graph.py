"""The graph computes what its network computes, and graphs from elsewhere are refused unless plain."""

import itertools
import random
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support_policies import random_mlp

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.features import Feature, Features
from sparkiot_policies.graph import GraphError, build, check
from sparkiot_policies.inference import Session
from sparkiot_policies.manifest import CONTEXT_ELEMENTS
from sparkiot_policies.mlp import Activation
from sparkiot_policies.observation import names

RAW = Features(names(1))


def policy_graph(activation: Activation = Activation.TANH) -> bytes:
    return build(kind="ppo", network=random_mlp(13, 24, 16, 35, activation=activation), features=RAW)


@pytest.mark.parametrize("activation", list(Activation))
def test_a_policy_graph_is_its_network(activation: Activation) -> None:
    x = np.random.default_rng(1).normal(0, 3, (200, 13)).astype(np.float32)
    action, logits = Session(policy_graph(activation)).run(["action", "logits"], x)
    expected = random_mlp(13, 24, 16, 35, activation=activation).forward(x)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    starts = np.cumsum((0, *ACTION_SIZES))
    chosen = [logits[:, a:b].argmax(axis=1) for a, b in itertools.pairwise(starts)]
    np.testing.assert_array_equal(action, np.stack(chosen, axis=1))
    assert action.dtype == np.int64


def test_a_meta_graph_gives_positive_weights_that_sum_to_one() -> None:
    network = random_mlp(5, 8, 3)
    graph = build(kind="td3", network=network, features=Features(CONTEXT_ELEMENTS))
    x = np.random.default_rng(1).normal(0, 10, (500, 5)).astype(np.float32)
    (weights,) = Session(graph).run(["weights"], x)
    raw = (np.tanh(network.forward(x)) + 1) / 2 + 1e-3
    np.testing.assert_allclose(weights, raw / raw.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-5)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_a_network_that_does_not_fit_its_inputs_or_actions_is_refused() -> None:
    with pytest.raises(ValueError, match="13 and 35 are needed"):
        build(kind="ppo", network=random_mlp(12, 35), features=RAW)
    with pytest.raises(ValueError, match="13 and 35 are needed"):
        build(kind="ppo", network=random_mlp(13, 34), features=RAW)


def test_a_built_graph_passes_its_own_check() -> None:
    check(policy_graph(), kind="ppo", inputs=13)


def _rename_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "evil"


def _loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.insert(0, helper.make_node("Loop", ["", ""], [], body=body))


def _random(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("RandomNormal", [], ["noise"], shape=[1]))


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _nan(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    tensor.raw_data = np.full(tensor.dims, np.nan, dtype=np.float32).tobytes()


def _function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Tanh", ["a"], ["b"])
    model.functions.append(helper.make_function("", "Mine", ["a"], ["b"], [node], model.opset_import))


def _rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "state"
    for node in model.graph.node:
        node.input[:] = ["state" if name == "observation" else name for name in node.input]


def _drop_output(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def _broadcast(model: onnx.ModelProto) -> None:
    """Two constants of 32 KiB, and their outer product of 256 MiB, which nothing uses."""
    for name, shape in (("tall", (8192, 1)), ("wide", (1, 8192))):
        model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, dtype=np.float32), name))
    model.graph.node.append(helper.make_node("Mul", ["tall", "wide"], ["bomb"]))


def _doubling(model: onnx.ModelProto) -> None:
    """Thirty concatenations of a value with itself: a billion numbers."""
    name = "observation"
    for i in range(30):
        model.graph.node.append(helper.make_node("Concat", [name, name], [f"double{i}"], axis=1))
        name = f"double{i}"


def _endless(model: onnx.ModelProto) -> None:
    name = "observation"
    for i in range(1001):
        model.graph.node.append(helper.make_node("Tanh", [name], [f"again{i}"]))
        name = f"again{i}"


def _open(model: onnx.ModelProto) -> None:
    """A matrix of inputs by inputs: its size is not that of a row."""
    model.graph.node.append(helper.make_node("Gemm", ["observation", "observation"], ["square"], transB=1))


def _contradiction(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.ones((5, 5), dtype=np.float32), "five"))
    model.graph.node.append(helper.make_node("MatMul", ["observation", "five"], ["mismatch"]))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_broadcast, "[0-9]+ numbers are computed"),
        (_doubling, "[0-9]+ numbers are computed"),
        (_endless, "nodes; at most 1000"),
        (_open, "size of square is not fixed"),
        (_contradiction, "not a valid ONNX graph"),
        (_rename_operator, "not a valid ONNX graph|domains evil"),
        (_loop, "not a valid ONNX graph|operators Loop"),
        (_random, "operators RandomNormal"),
        (_external, "not a valid ONNX graph|another file"),
        (_nan, "NaN"),
        (_function, "functions|not a valid ONNX graph"),
        (_rename_input, "inputs are state"),
        (_drop_output, "outputs are action"),
    ],
)
def test_a_graph_that_does_more_than_arithmetic_is_refused(
    damage: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    model = onnx.load_from_string(policy_graph())
    damage(model)
    with pytest.raises(GraphError, match=reason):
        check(model.SerializeToString(), kind="ppo", inputs=13)


def test_a_graph_of_another_size_or_kind_is_refused() -> None:
    with pytest.raises(GraphError, match=r"inputs are observation float \(N, 13\); expected .*\(N, 31\)"):
        check(policy_graph(), kind="ppo", inputs=31)
    with pytest.raises(GraphError, match="outputs are"):
        check(policy_graph(), kind="td3", inputs=13)


def test_garbage_is_not_a_graph() -> None:
    with pytest.raises(GraphError, match="not a valid ONNX graph"):
        check(b"\xff\xfe garbage", kind="ppo", inputs=13)
    with pytest.raises(GraphError, match="not a valid ONNX graph"):
        check(b"", kind="ppo", inputs=13)


def test_a_forged_graph_is_refused_or_runs_and_never_anything_else() -> None:
    """Flips with a digest to match, as whoever forges an artifact writes one: no exception but the documented."""
    features = Features(names(1), (Feature(element="cpu", transform="log1p", scale=1.0),) * 3)
    whole = build(kind="ppo", network=random_mlp(3, 4, 35), features=features)
    x = np.ones((2, 13), dtype=np.float32)
    chance = random.Random(0)
    refused = 0
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 4))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            check(bytes(data), kind="ppo", inputs=13)
            Session(bytes(data)).run(["action", "logits"], x)
        except (GraphError, PolicyError):
            refused += 1
    assert 500 < refused < 1500
