"""Data temperature on access logs made by hand: each line is a batch, with what its reduce tasks read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_driver.temperature import Temperature


def estimate(log: list[tuple[float, float]], **options: float) -> float | None:
    temperature = Temperature(**options)
    for read, again in log:
        temperature.observe(read, again)
    return temperature.value


def test_nothing_is_known_before_data_was_read() -> None:
    assert estimate([]) is None
    assert estimate([(0, 0)]) is None


def test_one_batch_outweighs_the_prior() -> None:
    assert estimate([(100, 0)]) == 0.25  # (1/2 + 0) / (1 + 1)
    assert estimate([(100, 100)]) == 0.75
    assert estimate([(100, 50)]) == 0.5


def test_evidence_fades_by_half_each_half_life() -> None:
    # Weights 1/4, 1/2, 1 of the three batches, the first of which was read again: (1/2 + 1/4) / (1 + 7/4).
    assert estimate([(10, 10), (10, 0), (10, 0)], half_life=1) == pytest.approx(0.75 / 2.75, abs=1e-6)


def test_a_burst_is_one_observation_like_any_other() -> None:
    assert estimate([(1_000_000, 0), (10, 10)]) == estimate([(10, 0), (10, 10)])


def test_a_batch_without_data_says_nothing_and_fades_nothing() -> None:
    assert estimate([(10, 10), (0, 0), (0, 0)]) == estimate([(10, 10)])


def test_a_query_that_reads_each_exchange_twice_is_hot_and_one_that_reads_once_is_cold() -> None:
    hot, cold = estimate([(10, 10)] * 100), estimate([(10, 0)] * 100)
    assert hot is not None
    assert cold is not None
    assert hot > 0.95
    assert cold < 0.05


def test_a_replay_after_a_restart_warms_for_a_while_only() -> None:
    after = estimate([(10, 0)] * 50 + [(10, 10)])
    later = estimate([(10, 0)] * 50 + [(10, 10)] + [(10, 0)] * 30)
    assert after is not None
    assert later is not None
    assert 0.08 < after < 0.12
    assert later < after / 2


def test_more_cannot_be_read_again_than_was_read() -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        Temperature().observe(10, 11)


@given(st.lists(st.tuples(st.integers(0, 10**12), st.floats(0, 1))))
def test_it_is_always_a_probability(log: list[tuple[int, float]]) -> None:
    value = estimate([(read, read * share) for read, share in log])
    assert value is None or 0 < value < 1
