"""How many executors an interval needs at the least, if no batch in it is to be late."""

import numpy as np
import numpy.typing as npt

from .course import ROUNDING, Course
from .durations import Array, Counts, Durations


def executors_needed(course: Course, durations: Durations, *, most: int, head: bool) -> Counts:
    """The fewest executors that may do, shape (K, M, S); ``most + 1`` where none do.

    head: of the part of the interval in which executors that were requested for it cannot have registered.
    More executors never make a batch longer, so that the search halves.
    """
    shape = (course.time.size, durations.memory_mib.size, durations.shuffle.row_s.size)
    low, high = np.ones(shape, dtype=np.int64), np.full(shape, most + 1, dtype=np.int64)
    on_time = _on_time_at_triggers if course.on_grid else _on_time_between_triggers
    while (low < high).any():
        middle = (low + high) // 2
        enough = on_time(course, durations, middle, head) | (middle > most)
        high = np.where(enough, middle, high)
        low = np.where(enough, low, np.minimum(middle + 1, high))
    return low


def _on_time_at_triggers(course: Course, durations: Durations, executors: Counts, head: bool) -> npt.NDArray[np.bool_]:
    """A target of at most two triggers: a batch that is on time starts at its trigger, and must end before the next.

    Later than its trigger, it would follow one that ran into it: that one was late already.
    """
    rows = _column(course.head_rows if head else course.rows)
    duration = _duration(course, durations, executors, rows)
    wait = durations.profile.trigger_interval_s
    return (rows <= 0) | _within(wait + duration, course)


def _on_time_between_triggers(
    course: Course, durations: Durations, executors: Counts, head: bool
) -> npt.NDArray[np.bool_]:
    """A longer target: batches may follow each other without waiting for triggers.

    The wait ``w`` of a batch is at least the duration of the one before, ``f + r w`` and more, so that after ``j``
    batches it is at least ``f (1 - r^j) / (1 - r)``; on time are only waits up to ``(target - f) / (1 + r)``. And no
    more than one batch starts between two triggers, so that some wait is nearly the trigger's interval.
    """
    rate = _column(course.rate)
    length = course.head_s if head else course.interval_s
    target, trigger = course.target_s, durations.profile.trigger_interval_s
    temperature = _column(course.temperature)
    slowdown = durations.slowdown(rows=0.0, state_mib=_column(course.state_mib), executors=executors)
    fixed = durations.fixed_s(temperature)
    share = rate * durations.row_s(executors=executors, temperature=temperature, slowdown=slowdown)
    longest = (target - fixed) / (1 + share)
    batches = np.clip(np.floor(length / np.maximum(longest, 1e-3)) - 2, 0, 200)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        grown = np.where(
            np.abs(share - 1) < 1e-6, fixed * batches, fixed * (1 - share**batches) / np.where(share == 1, 1, 1 - share)
        )
    triggers = np.floor(length / trigger) - 2
    even = trigger * (1 - 1 / triggers) if triggers > 1 else 0.0
    wait = np.where(grown >= trigger, trigger, even)
    rows = rate * wait
    if durations.profile.most_rows is not None:
        rows = np.minimum(rows, durations.profile.most_rows)
    duration = _duration(course, durations, executors, rows)
    fits = (longest > 0) & (grown <= longest * (1 + ROUNDING))
    return np.asarray((rate <= 0) | (fits & _within(wait + duration, course)))


def _duration(course: Course, durations: Durations, executors: Counts, rows: Array) -> Array:
    temperature, state = _column(course.temperature), _column(course.state_mib)
    slowdown = durations.slowdown(rows=rows, state_mib=state, executors=executors)
    per_row = durations.row_s(executors=executors, temperature=temperature, slowdown=slowdown)
    return durations.fixed_s(temperature) + rows * per_row


def _within(latency: Array, course: Course) -> npt.NDArray[np.bool_]:
    # Epoch seconds carry rounding errors of a microsecond.
    return np.asarray(latency <= course.target_s + 2e-6)


def _column(values: Array) -> Array:
    return values[:, None, None]
