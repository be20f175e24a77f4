"""Allocations, their integer coding, and what a change costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import allocation

from sparkiot_policies.allocation import (
    ACTION_SIZES,
    ActionClass,
    Allocation,
    Compression,
    Tier,
    format_memory,
    parse_memory,
)

actions = st.tuples(*(st.integers(0, n - 1) for n in ACTION_SIZES))


def test_the_action_space_is_the_public_contract() -> None:
    assert ACTION_SIZES == (20, 8, 4, 3)
    assert [t.code for t in (Tier.HOT, Tier.WARM, Tier.COLD, Tier.ARCHIVE)] == [0, 1, 2, 3]
    assert [c.code for c in (Compression.NONE, Compression.LZ4, Compression.ZSTD)] == [0, 1, 2]


def test_an_action_decodes_by_index() -> None:
    assert Allocation.from_action((0, 0, 0, 0)) == allocation(1, gib=1, tier=Tier.HOT, compression=Compression.NONE)
    assert Allocation.from_action((19, 7, 3, 2)) == allocation(
        20, gib=8, tier=Tier.ARCHIVE, compression=Compression.ZSTD
    )


@given(actions)
def test_every_action_round_trips(action: tuple[int, int, int, int]) -> None:
    assert Allocation.from_action(action).action == action


@pytest.mark.parametrize("bad", [(20, 0, 0, 0), (-1, 0, 0, 0), (0, 8, 0, 0), (0, 0, 4, 0), (0, 0, 0, 3), (0, 0, 0), ()])
def test_an_action_outside_the_space_is_refused(bad: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"is not in MultiDiscrete\(\[20, 8, 4, 3\]\)"):
        Allocation.from_action(bad)


def test_an_allocation_outside_the_action_space_has_a_nearest_action() -> None:
    assert allocation(50, gib=64).action == (19, 7, 1, 1)
    assert allocation(1, gib=0.25).action == (0, 0, 1, 1)
    assert allocation(4, gib=2.4).action == (3, 1, 1, 1)


@pytest.mark.parametrize(
    ("desired", "cost"),
    [
        (allocation(), ActionClass.NONE),
        (allocation(5), ActionClass.IN_PLACE),
        (allocation(tier=Tier.HOT), ActionClass.IN_PLACE),
        (allocation(compression=Compression.NONE), ActionClass.IN_PLACE),
        (allocation(5, gib=3, tier=Tier.HOT), ActionClass.RESTART),
    ],
)
def test_the_class_of_a_change(desired: Allocation, cost: ActionClass) -> None:
    assert allocation().change_class(desired) is cost


def test_memory_is_written_as_kubernetes_does() -> None:
    assert (format_memory(2048), format_memory(1536)) == ("2Gi", "1536Mi")
    assert allocation(6, gib=1.5).to_dict() == {
        "executors": 6,
        "memory": "1536Mi",
        "tier": "Warm",
        "compression": "LZ4",
    }


@given(st.integers(1, 10**6))
def test_memory_round_trips(mib: int) -> None:
    assert parse_memory(format_memory(mib)) == mib


@pytest.mark.parametrize("bad", ["", "2", "2G", "1.5Gi", "-1Gi", "Gi", "2 Gi", "²Gi"])
def test_other_memory_quantities_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number of Mi or Gi"):
        parse_memory(bad)
