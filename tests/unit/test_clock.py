"""Job time and the grid of cycles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_operator.clock import JobClock, JumpWatch, next_tick

EPOCH = st.floats(1e9, 2e9)
ACCELERATION = st.floats(1, 1e5)


@given(EPOCH, ACCELERATION, st.floats(0, 1e5))
def test_real_time_is_the_inverse_of_job_time(origin: float, acceleration: float, elapsed: float) -> None:
    clock = JobClock(origin, acceleration)
    job = clock.job_time(origin + elapsed)
    assert job - origin == pytest.approx(elapsed * acceleration, rel=1e-3, abs=acceleration * 1e-3)
    assert clock.real_time(job) == pytest.approx(origin + elapsed, abs=1e-3)


def test_without_acceleration_job_time_is_real_time() -> None:
    assert JobClock(1000.0).job_time(1234.5) == 1234.5


@pytest.mark.parametrize("acceleration", [0.0, 0.5, -1.0, float("nan"), float("inf")])
def test_time_does_not_run_slower_or_backwards(acceleration: float) -> None:
    with pytest.raises(ValueError, match="acceleration"):
        JobClock(0.0, acceleration)


@given(st.floats(0, 1e6), st.floats(1, 3600), st.integers(0, 1000))
def test_the_next_tick_is_on_the_grid_and_not_before_the_last(elapsed: float, interval: float, last: int) -> None:
    tick = next_tick(origin=1e9, interval_s=interval, now=1e9 + elapsed, last=last)
    assert tick.number > last
    assert tick.due == 1e9 + tick.number * interval
    # Never further ahead than one interval, unless the last cycle was itself early.
    assert tick.due <= 1e9 + max(elapsed, last * interval) + interval + 1e-6


def test_a_late_loop_takes_the_tick_that_is_due_and_leaves_out_the_missed_ones() -> None:
    tick = next_tick(origin=0.0, interval_s=10.0, now=57.0, last=2)
    assert (tick.number, tick.due) == (5, 50.0)


def test_a_punctual_loop_waits_for_the_next_one() -> None:
    assert next_tick(origin=0.0, interval_s=10.0, now=30.2, last=3).due == 40.0


@given(st.floats(0, 1e6), st.floats(1, 3600))
def test_a_cycle_off_the_grid_is_followed_by_half_an_interval_to_one_and_a_half(
    elapsed: float, interval: float
) -> None:
    tick = next_tick(origin=1e9, interval_s=interval, now=1e9 + elapsed, last=None)
    wait = tick.due - (1e9 + elapsed)
    assert 0.5 * interval - 1e-3 <= wait <= 1.5 * interval + 1e-3


def test_a_jump_is_told_from_running_and_from_slewing() -> None:
    wall, running = 1_700_000_000.0, 50.0
    watch = JumpWatch(lambda: wall, lambda: running)
    assert watch.jump() == 0
    wall, running = wall + 3600 * 1.0005, running + 3600  # as fast as a clock is slewed
    assert watch.jump() == 0
    wall, running = wall + 10 - 7200, running + 10
    assert watch.jump() == pytest.approx(-7200)
    assert watch.jump() == 0
    wall += 60
    assert watch.jump() == pytest.approx(60)
