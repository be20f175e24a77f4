"""How few late batches a stretch of lateness may have, and what working it off costs at the least.

A stretch is a run of intervals that a late batch, or a restart, reaches into, and a few after it until batches are back
at their triggers.
"""

import math
from dataclasses import dataclass

import numpy as np

from .course import ROUNDING, Course
from .durations import Array, Durations

ENTRY_SHARE = 0.5
"""At least ``a`` and at least ``b`` late batches are at least half of each together; the DP needs a sum."""
SETTLING_BATCHES = 10
"""Batches on time after which one is back at its trigger."""
MOST_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Lower bounds for stretches of lateness.

    entry: late batches charged when one begins. restart_entry: when one begins by a restart, shape (K,). rate: late
    batches for each interval, shape (K,). work_dollars: least compute for what arrived, shape (K,). credit_dollars:
    what may be counted both in a stretch and beside it.
    """

    entry: float
    restart_entry: Array
    rate: Array
    work_dollars: Array
    credit_dollars: float


def lateness(course: Course, durations: Durations, *, most: int, second_dollars: float, losses: bool) -> Lateness:
    """The bounds of a course.

    most: executors. second_dollars: of one executor with the least memory. losses: executors may be lost.
    """
    profile, interval = durations.profile, course.interval_s
    settling = math.ceil(SETTLING_BATCHES * profile.trigger_interval_s / interval)
    longest = _longest_batch(course, durations, most=most) * (2 if losses else 1)
    touched = interval / (longest + (2 + settling) * interval)
    by_rows = course.arrived / profile.most_rows if profile.most_rows is not None else np.zeros(course.time.size)
    # What an interval without any batch leaves behind is overdue: it ends up in late batches of limited size.
    rate = np.minimum(touched, by_rows) / 2
    row_s = 1 / profile.rate_per_executor
    boundary_rows = 2 * course.target_s * course.peak_rate
    return Lateness(
        entry=1.0,
        restart_entry=_after_restart(course, durations, most=most),
        rate=rate,
        work_dollars=course.arrived * row_s * second_dollars,
        credit_dollars=boundary_rows * (row_s * second_dollars + float(durations.shuffle.row_dollars.max())),
    )


def _longest_batch(course: Course, durations: Durations, *, most: int) -> float:
    """Seconds that a batch can take on one executor, or that one which began on ``most`` takes after they left."""
    rows = durations.profile.most_rows
    if rows is None:
        return math.inf
    # The state can never be more than the highest rate asks for.
    state = durations.profile.state_mib * course.peak_rate
    slowdown = durations.slowdown(rows=rows, state_mib=state, executors=1)
    fixed = durations.fixed_s(1.0) * most**durations.calibration.batch.scaling_exponent.value
    return float((fixed + rows * durations.row_s(executors=1, temperature=1.0, slowdown=slowdown)).max())


def _after_restart(course: Course, durations: Durations, *, most: int) -> Array:
    """Late batches that the shortest restart leaves behind, with all executors and the lowest rate from then on.

    Each batch takes what came during the one before, which a higher rate or fewer executors make no shorter.
    """
    rate = np.minimum.accumulate(course.rate[::-1])[::-1]
    fixed = float(durations.fixed_s(0.0).min())
    row_s = float(durations.row_s(executors=most, temperature=0.0, slowdown=1.0).min())
    wait = np.full(rate.size, course.restart_s)
    late = np.zeros(rate.size)
    for _ in range(MOST_STEPS):
        duration = fixed + rate * row_s * wait
        overdue = wait + duration > course.target_s * (1 + ROUNDING)
        if not overdue.any():
            break
        late += overdue
        wait = np.where(overdue, duration, 0.0)
    # Where the load may cease, only what surely came during the restart can be late.
    caught = (course.arrived > 0) & (course.restart_s - course.target_s > course.interval_s)
    return np.where(rate > 0, late, caught)
