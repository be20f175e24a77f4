"""Executors start late, are billed from request, leave late, and are replaced when lost."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_sim.calibration import calibration_with
from sparkiot_sim.executors import ExecutorPool

CALIBRATION = calibration_with("cloud-coldstart")


def pool(count: int, preset: str = "cloud-coldstart", seed: int = 0) -> ExecutorPool:
    return ExecutorPool(count=count, preset=CALIBRATION.preset(preset), rng=np.random.default_rng(seed), now=0.0)


def test_a_requested_executor_is_billed_at_once_and_registers_after_its_startup() -> None:
    executors = pool(2)
    executors.scale(3, now=100.0)
    assert (executors.running, executors.pending, executors.billed) == (2, 1, 3)
    ready = executors.next_event
    assert 40 <= ready - 100.0 <= 70
    executors.advance(ready)
    assert (executors.running, executors.pending, executors.billed) == (3, 0, 3)
    assert executors.startup_s == ready - 100.0


def test_a_decommissioned_executor_works_no_more_and_is_billed_until_it_is_gone() -> None:
    executors = pool(3)
    executors.scale(1, now=100.0)
    assert (executors.running, executors.billed) == (1, 3)
    gone = 100.0 + CALIBRATION.preset("cloud-coldstart").decommission_s.value
    assert executors.next_event == gone
    executors.advance(gone)
    assert executors.billed == 1
    assert executors.next_event == math.inf


def test_what_has_not_registered_goes_first() -> None:
    executors = pool(2)
    executors.scale(4, now=0.0)
    executors.scale(3, now=1.0)
    assert (executors.running, executors.pending) == (2, 1)


def test_executors_are_lost_at_the_presets_rate_and_replaced() -> None:
    executors, lost, hours = pool(10, "spot"), 0, 200.0
    while executors.next_event <= hours * 3600:
        lost += executors.advance(executors.next_event)
        assert executors.running + executors.pending == 10
    expected = 10 * hours * CALIBRATION.preset("spot").losses_per_hour.value
    assert abs(lost - expected) < 4 * math.sqrt(expected)


def test_an_executor_that_is_killed_is_requested_again() -> None:
    executors = pool(2)
    executors.kill_one(now=5.0)
    assert (executors.running, executors.pending, executors.wanted) == (1, 1, 2)


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0.1, 200)), min_size=1, max_size=20), st.integers(0, 99))
def test_running_and_pending_are_always_what_is_wanted(changes: list[tuple[int, float]], seed: int) -> None:
    executors, now = pool(4, "spot", seed), 0.0
    for count, wait in changes:
        executors.scale(count, now)
        now += wait
        while executors.next_event <= now:
            executors.advance(executors.next_event)
        assert executors.running + executors.pending == executors.wanted == count
        assert executors.billed >= count
