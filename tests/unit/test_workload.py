"""Workloads: a periodic step function and its exact integral."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_sim.workload import Workload

STEPS = st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 1e4)), min_size=1, max_size=12)


def workload(steps: list[tuple[float, float]], *, start: float = 0.0) -> Workload:
    """Of (seconds, messages/s) pairs."""
    lengths, rates = np.array(steps).T
    edges = start + np.concatenate(([0.0], np.cumsum(lengths)))
    return Workload(name="w", times=edges[:-1], rates=rates, end=edges[-1])


def test_a_rate_holds_until_the_next_and_the_load_repeats() -> None:
    w = workload([(10, 5), (20, 1), (30, 0)], start=100)
    assert [w.rate_at(t) for t in (100, 109.9, 110, 130, 159, 160, 99)] == [5, 5, 1, 0, 0, 5, 0]
    assert w.duration_s == 60
    assert w.mean_rate == pytest.approx(70 / 60)


def test_arrivals_over_part_of_steps_and_over_cycles() -> None:
    w = workload([(10, 5), (20, 1), (30, 0)], start=100)
    assert w.arrivals(105, 120) == pytest.approx(25 + 10)
    assert w.arrivals(155, 165) == pytest.approx(25)
    assert w.arrivals(100, 100 + 7 * 60) == pytest.approx(7 * 70)
    assert w.arrivals(95, 100) == 0


@given(STEPS, st.floats(-500, 500), st.floats(0, 300), st.floats(0, 300))
def test_arrivals_add_up(steps: list[tuple[float, float]], begin: float, first: float, second: float) -> None:
    w = workload(steps)
    middle, end = begin + first, begin + first + second
    assert w.arrivals(begin, middle) + w.arrivals(middle, end) == pytest.approx(w.arrivals(begin, end), abs=1e-4)
    assert w.arrivals(begin, middle) >= -1e-6


@given(STEPS, st.floats(-500, 500), st.floats(0, 500))
def test_the_peak_is_met_and_never_exceeded(steps: list[tuple[float, float]], begin: float, length: float) -> None:
    w = workload(steps)
    peak = w.peak(begin, begin + length)
    assert peak in w.rates
    assert all(w.rate_at(t) <= peak for t in np.linspace(begin, begin + length, 50))
    assert w.arrivals(begin, begin + length) <= peak * length + 1e-4


def test_the_peak_of_a_span_that_wraps_into_the_step_it_began_in() -> None:
    w = workload([(10, 1), (10, 9)])
    assert w.peak(9, 9) == 1
    assert w.peak(9, 28) == 9


@given(STEPS, st.floats(0.1, 1e5))
def test_scaling_sets_the_mean(steps: list[tuple[float, float]], mean: float) -> None:
    w = workload([*steps, (1.0, 1.0)])
    assert w.scaled(mean).mean_rate == pytest.approx(mean)


@pytest.mark.parametrize(
    ("times", "rates", "end", "reason"),
    [
        ([], [], 1, "length"),
        ([0, 1], [1], 2, "length"),
        ([0, 1], [1, -1], 2, "negative"),
        ([0, 1], [1, np.nan], 2, "not finite"),
        ([1, 0], [1, 1], 2, "ascend"),
        ([0, 1], [1, 1], 1, "ascend"),
    ],
)
def test_what_is_not_a_load_is_refused(times: list[float], rates: list[float], end: float, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Workload(name="w", times=np.array(times), rates=np.array(rates), end=end)


def test_zero_cannot_be_scaled() -> None:
    with pytest.raises(ValueError, match="zero throughout"):
        workload([(1, 0)]).scaled(10)


def test_a_load_begun_elsewhere_is_the_same_load_and_shares_what_is_long() -> None:
    load = Workload(name="steps", times=np.array([0.0, 10.0, 20.0]), rates=np.array([1.0, 5.0, 2.0]), end=30.0)
    moved = load.begun_at(1_000.5)
    assert (moved.start, moved.end, moved.duration_s) == (1_000.5, 1_030.5, 30.0)
    assert moved.times.tolist() == [1_000.5, 1_010.5, 1_020.5]
    assert [moved.rate_at(1_000.5 + offset) for offset in (0, 10, 25, 30)] == [1, 5, 2, 1]
    assert moved.arrivals(1_005.5, 1_015.5) == 5 * 1 + 5 * 5
    assert (load.start, load.rate_at(10)) == (0, 5)
    assert moved._sums is load._sums
