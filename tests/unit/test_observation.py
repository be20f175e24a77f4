"""The observation's order is a public contract."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sparkiot_policies.errors import ObservationMissingError, PolicyMismatchError
from sparkiot_policies.observation import ELEMENTS, SIZES, Observation, names, size

VERSION_1 = (
    "workload_rate",
    "data_volume",
    "cpu",
    "memory",
    "latency",
    "cost_rate",
    "weight_cost",
    "weight_latency",
    "weight_throughput",
    "shuffle_size",
    "temperature",
    "predicted_rate",
    "burst",
)
HIGH_1 = [1000, 1000, 100, 100, 10000, 100, 1, 1, 1, 10000, 1, 1000, 1]
FULL = Observation(**{e.name: float(i) for i, e in enumerate(ELEMENTS)})


def test_version_1_is_thirteen_numbers_in_the_contracts_order_and_range() -> None:
    assert names(1) == VERSION_1
    assert [e.high for e in ELEMENTS[:13]] == HIGH_1
    assert all(e.low == 0 for e in ELEMENTS[:13])


def test_version_2_begins_with_version_1() -> None:
    assert names(2)[:13] == VERSION_1
    assert (size(1), size(2), size(3)) == (13, 31, len(ELEMENTS))


@pytest.mark.parametrize("version", SIZES)
def test_a_vector_holds_the_elements_in_order(version: int) -> None:
    vector = FULL.vector(version)
    assert (vector.dtype, vector.shape) == (np.float32, (size(version),))
    assert vector.tolist() == list(range(size(version)))


@pytest.mark.parametrize("absent", [None, math.nan, math.inf])
def test_what_is_missing_or_not_finite_is_named_and_never_zero(absent: float | None) -> None:
    holes = replace(FULL, cpu=absent, burst=absent, backlog=absent)
    assert holes.missing(1) == ("cpu", "burst")
    assert holes.missing(2) == ("cpu", "burst", "backlog")
    with pytest.raises(ObservationMissingError, match="observation lacks cpu, burst") as raised:
        holes.vector(1)
    assert raised.value.names == ("cpu", "burst")


def test_a_version_needs_only_its_own_elements() -> None:
    assert replace(FULL, backlog=None).missing(1) == ()
    assert replace(FULL, backlog=None).vector(1).shape == (13,)


def test_an_unknown_version_names_the_known() -> None:
    with pytest.raises(PolicyMismatchError, match="schema 4 is unknown; known: 1, 2, 3"):
        FULL.vector(4)


def test_a_dictionary_and_back() -> None:
    holes = replace(FULL, cpu=None)
    assert Observation.from_dict(holes.to_dict()) == holes
    assert tuple(holes.to_dict()) == names(3)
    assert Observation.from_dict({"cpu": 5.0}) == Observation(cpu=5.0)
    with pytest.raises(TypeError, match="cpus"):
        Observation.from_dict({"cpus": 5.0})


def test_every_element_has_a_unit_a_range_and_a_meaning() -> None:
    assert all(e.unit and e.meaning and e.low < e.high for e in ELEMENTS)
