"""A choice of what to provide for becomes a count, the same in numpy and in the graph."""

import numpy as np
import pytest
from pydantic import ValidationError

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.features import Features
from sparkiot_policies.graph import build, check
from sparkiot_policies.inference import Session
from sparkiot_policies.mlp import Activation, Layer, Mlp
from sparkiot_policies.observation import ELEMENTS, names
from sparkiot_policies.options import ExecutorOption, ExecutorOptions, executor_options

OPTIONS = ExecutorOptions(
    names(3), executor_options(("required", np.linspace(0.5, 2.0, 10).tolist()), ("required_ahead", [1.0] * 10))
)


def observations(count: int) -> np.ndarray:
    low, high = (np.array([getattr(e, bound) for e in ELEMENTS]) for bound in ("low", "high"))
    return np.random.default_rng(0).uniform(low, high / 4, (count, len(ELEMENTS))).astype(np.float32)


def test_a_choice_is_rounded_up_and_kept_within_the_action() -> None:
    x = np.zeros((3, len(ELEMENTS)), dtype=np.float32)
    x[:, names(3).index("required_ahead")] = (0.02, 4.00001, 70.0)
    chosen = np.array([[12, 1, 2, 0]] * 3)
    assert OPTIONS.apply(x, chosen).tolist() == [[0, 1, 2, 0], [3, 1, 2, 0], [19, 1, 2, 0]]


def test_without_options_an_action_is_what_it_is() -> None:
    chosen = np.array([[12, 1, 2, 0]])
    assert ExecutorOptions(names(3)).apply(np.zeros((1, len(ELEMENTS))), chosen) is chosen


def test_the_graph_counts_as_numpy_does() -> None:
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(sum(ACTION_SIZES), len(ELEMENTS))).astype(np.float32)
    network = Mlp((Layer(weight, np.zeros(sum(ACTION_SIZES), dtype=np.float32)),), Activation.RELU)
    graph = build(kind="ppo", network=network, features=Features(names(3)), options=OPTIONS)
    check(graph, kind="ppo", inputs=len(ELEMENTS))
    x = observations(500)
    action, logits = Session(graph).run(["action", "logits"], x)
    parts = np.split(logits, np.cumsum(ACTION_SIZES)[:-1], axis=1)
    chosen = np.stack([part.argmax(axis=1) for part in parts], axis=1)
    np.testing.assert_array_equal(action, OPTIONS.apply(x, chosen))
    assert len(np.unique(action[:, 0])) > 5


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown elements: wish"):
        ExecutorOptions(names(3), executor_options(("wish", [1.0] * 20)))
    with pytest.raises(ValueError, match="19 executor options; 20 are needed"):
        ExecutorOptions(names(3), executor_options(("required", [1.0] * 19)))
    with pytest.raises(ValidationError):
        ExecutorOption(element="required", factor=0.0)
