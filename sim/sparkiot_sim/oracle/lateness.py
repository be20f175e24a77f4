"""How few late batches a stretch of lateness may have.

A stretch is a run of intervals that a late batch or a restart reaches into, and a few after it until batches are back
at their triggers.
"""

import math
from dataclasses import dataclass

import numpy as np

from .course import ROUNDING, Course
from .durations import Array, Counts, Durations
from .needs import Flags, column, fewest

ENTRY_SHARE, LENGTH_SHARE, ROWS_SHARE = 0.4, 0.2, 0.4
"""Three bounds of one number: it is at least each of them, and so at least their mean under weights of sum 1."""
SETTLING_BATCHES = 10
"""Batches on time after which one is back at its trigger, or without executors enough late again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Lower bounds for stretches of lateness, as shares that may be added up.

    entry: late batches charged when one begins. restart_entry: when one begins by a restart, shape (K,). interval: for
    each interval of it, shape (K,). overload: for an overloaded interval that follows another with no executor more,
    or, with some more, after another that outgrows even them, shape (K,). overloaded, outgrown: most executors with
    which an interval is that, shape (K, M).
    """

    entry: float
    restart_entry: Array
    interval: Array
    overload: Array
    overloaded: Counts
    outgrown: Counts


def lateness(course: Course, durations: Durations, *, most: int, losses: bool) -> Lateness:
    """The bounds of a course. most: executors. losses: executors may be lost."""
    overloaded, outgrown = _overloaded(course, durations, most=most)
    return Lateness(
        entry=ENTRY_SHARE,
        restart_entry=np.where(_late_after_restart(course, durations), ENTRY_SHARE, 0.0),
        interval=LENGTH_SHARE * _by_length(course, durations, losses=losses),
        overload=ROWS_SHARE * _by_rows(course, durations.profile.most_rows),
        overloaded=overloaded,
        outgrown=outgrown,
    )


def _by_length(course: Course, durations: Durations, *, losses: bool) -> Array:
    """Late batches for each interval of a stretch, as a batch can only be so long.

    What an interval without any batch leaves behind is overdue, and ends up in late batches of limited size.
    """
    profile, interval = durations.profile, course.interval_s
    if profile.most_rows is None:
        return np.zeros(course.time.size)
    settling = math.ceil(SETTLING_BATCHES * profile.trigger_interval_s / interval)
    # A batch that loses an executor does its part again.
    longest = _longest_batch(course, durations, rows=profile.most_rows) * (2 if losses else 1)
    touched = interval / (longest + (2 + settling) * interval)
    return np.minimum(touched, course.arrived / profile.most_rows) / 2


def _longest_batch(course: Course, durations: Durations, *, rows: float) -> float:
    """Seconds that a batch can take on one executor, and so on any that leave it only one."""
    # The state can never be more than the highest rate asks for.
    state = durations.profile.state_mib * course.peak_rate
    slowdown = durations.slowdown(rows=rows, state_mib=state, executors=1)
    row_s = durations.row_s(executors=1, temperature=1.0, slowdown=slowdown)
    return float((durations.fixed_s(1.0) + rows * row_s).max())


def _by_rows(course: Course, most_rows: float | None) -> Array:
    """Late batches for an overloaded interval after another: its rows come late, but those that the next one may save.

    For each late batch there may be some on time, until waits have grown again.
    """
    # After a restart the first batch must be one that has waited for half of the target.
    if most_rows is None or course.restart_s < course.target_s / 2:
        return np.zeros(course.time.size)
    spared = SETTLING_BATCHES * course.target_s / 2 * course.peak_rate
    return course.rate * max(course.interval_s - course.target_s, 0.0) / (most_rows + spared)


def _overloaded(course: Course, durations: Durations, *, most: int) -> tuple[Counts, Counts]:
    """Most executors with which batches on time cannot go on, and with which work outgrows them; (K, M), 0 for none.

    A batch lasts ``f + r w`` at least, ``w`` being its wait, which is at least the duration of the one before. So after
    ``j`` batches the wait is ``f (1 + r + r^2 + … r^(j - 1))`` or longer. Once it exceeds half the target, so does the
    duration, which together are more than the target, and so do all waits that follow. Of executors that join an
    overload only ``r > 1`` is held against them: so the schedule has a reason to end one rather than to sit it out.
    """
    shape = (course.time.size, durations.memory_mib.size)
    state, temperature = column(course.state_mib), column(course.temperature)
    fixed = durations.fixed_s(temperature)

    def share(executors: Counts) -> Array:
        slowdown = durations.slowdown(rows=0.0, state_mib=state, executors=executors[:, :, None])
        row_s = durations.row_s(executors=executors[:, :, None], temperature=temperature, slowdown=slowdown)
        return np.asarray(column(course.rate) * row_s)

    def may_cope(executors: Counts) -> Flags:
        r = share(executors)
        waits = np.ones(r.shape)
        for _ in range(1, SETTLING_BATCHES):
            waits = 1 + r * waits
        return np.asarray((fixed * waits <= course.target_s / 2).any(axis=2))

    def may_catch_up(executors: Counts) -> Flags:
        return np.asarray((share(executors) <= 1).any(axis=2))

    overloaded = fewest(shape, most=most, enough=may_cope) - 1
    return overloaded, np.minimum(fewest(shape, most=most, enough=may_catch_up) - 1, overloaded)


def _late_after_restart(course: Course, durations: Durations) -> Flags:
    """Whether the shortest restart makes a batch late for sure, or leaves rows that are overdue at the end."""
    outage = course.restart_s + durations.calibration.batch.fixed_s.value
    left = course.interval_s * np.arange(course.time.size, 0, -1)
    target = course.target_s * (1 + ROUNDING)
    return np.asarray((course.rate > 0) & (outage > target) & (left > target))
