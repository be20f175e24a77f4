"""Features are the same numbers in numpy and in the graph."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from sparkiot_policies.features import Feature, Features
from sparkiot_policies.graph import build
from sparkiot_policies.inference import Session
from sparkiot_policies.mlp import Activation, Layer, Mlp

ELEMENTS = ("a", "b", "c")
MIXED = (
    Feature(element="c", transform="log1p", scale=0.1),
    Feature(element="a", scale=1 / 300, offset=-0.5, low=-1, high=1),
    Feature(element="c", scale=1e-3, high=2),
)


def test_values_are_transformed_scaled_shifted_and_clipped_in_order() -> None:
    found = Features(ELEMENTS, MIXED).apply([[300.0, 7.0, 0.0], [3000.0, 7.0, np.e - 1]])
    np.testing.assert_allclose(found, [[0.0, 0.5, 0.0], [0.1, 1.0, (np.e - 1) / 1000]], rtol=1e-6)
    assert found.dtype == np.float32


def test_log1p_of_a_negative_value_is_that_of_zero() -> None:
    features = Features(("a",), (Feature(element="a", transform="log1p", scale=1.0),))
    assert features.apply([[-5.0]]).tolist() == [[0.0]]


def test_no_features_means_the_raw_vector() -> None:
    features = Features(ELEMENTS)
    raw = np.array([[1.5, -2.0, 1e9]], dtype=np.float32)
    assert features.apply(raw).tolist() == raw.tolist()
    assert (features.size, features.used) == (3, ELEMENTS)


def test_used_elements_are_those_that_a_feature_reads() -> None:
    features = Features(ELEMENTS, MIXED)
    assert (features.size, features.used) == (3, ("a", "c"))


def test_a_single_observation_needs_no_batch_dimension() -> None:
    features = Features(ELEMENTS, MIXED)
    row = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    assert features.apply(row).tolist() == features.apply(row[None])[0].tolist()


def test_unknown_elements_and_inverted_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown elements: d"):
        Features(ELEMENTS, (Feature(element="d", scale=1),))
    with pytest.raises(ValidationError, match="must be below"):
        Feature(element="a", scale=1, low=1, high=0)
    with pytest.raises(ValidationError):
        Feature(element="a", scale=float("nan"))


@given(arrays(np.float32, (16, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_graph_and_numpy_give_the_same_float32(raw: np.ndarray) -> None:
    features = Features(ELEMENTS, MIXED)
    # The identity in front of zeros: the first logits are the features themselves.
    weight = np.zeros((35, 3), dtype=np.float32)
    weight[:3] = np.eye(3)
    network = Mlp((Layer(weight, np.zeros(35, dtype=np.float32)),), Activation.TANH)
    (logits,) = Session(build(kind="ppo", network=network, features=features)).run(["logits"], raw)
    np.testing.assert_array_equal(logits[:, :3], features.apply(raw))
