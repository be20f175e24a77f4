"""The chaos suite's draws: the same for the same seed, every kind as often as any other, no lever pulled twice."""

from collections import Counter
from itertools import islice, takewhile

import pytest
from chaos.schedule import LATEST_START_S, Kind, steps
from hypothesis import given
from hypothesis import strategies as st

LEVERS = st.frozensets(st.sampled_from(["clock", "pods", "api"]), max_size=2)
KINDS = st.lists(
    st.builds(Kind, st.sampled_from("abcdefghij"), LEVERS, st.floats(0, 5), st.floats(5, 20)),
    min_size=1,
    unique_by=lambda kind: kind.name,
)
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6)).map(sorted)


@given(seed=st.integers(), kinds=KINDS, sizes=SIZES)
def test_a_seed_gives_one_schedule(seed: int, kinds: list[Kind], sizes: list[int]) -> None:
    once, again = (list(islice(steps(seed, kinds, least=sizes[0], most=sizes[1]), 20)) for _ in range(2))
    assert once == again
    assert [step.number for step in once] == list(range(20))


@given(seed=st.integers(), kinds=KINDS, sizes=SIZES, rounds=st.integers(1, 3))
def test_every_kind_comes_once_a_round(seed: int, kinds: list[Kind], sizes: list[int], rounds: int) -> None:
    drawn = takewhile(lambda step: step.round < rounds, steps(seed, kinds, least=sizes[0], most=sizes[1]))
    assert Counter(fault.kind for step in drawn for fault in step.faults) == {kind.name: rounds for kind in kinds}


@given(seed=st.integers(), kinds=KINDS, sizes=SIZES)
def test_a_step_is_within_its_bounds(seed: int, kinds: list[Kind], sizes: list[int]) -> None:
    by_name = {kind.name: kind for kind in kinds}
    for step in islice(steps(seed, kinds, least=sizes[0], most=sizes[1]), 20):
        levers = Counter(lever for fault in step.faults for lever in by_name[fault.kind].levers)
        assert not [lever for lever, times in levers.items() if times > 1]
        assert 1 <= len(step.faults) <= sizes[1]
        for fault in step.faults:
            kind = by_name[fault.kind]
            assert kind.shortest - 0.001 <= fault.lasts <= kind.longest + 0.001
            assert 0 <= fault.after <= LATEST_START_S
            assert 0 <= fault.luck < 1


def test_seeds_differ() -> None:
    kinds = [Kind(name) for name in "abcdefgh"]
    first, second = (list(islice(steps(seed, kinds, least=2, most=4), 5)) for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize(("kinds", "least", "most"), [([], 1, 2), ([Kind("a")], 0, 2), ([Kind("a")], 3, 2)])
def test_what_cannot_be_drawn_is_refused(kinds: list[Kind], least: int, most: int) -> None:
    with pytest.raises(ValueError, match="least"):
        next(steps(1, kinds, least=least, most=most))
