"""The cheapest way through all intervals: dynamic programming over executors, memory and whether batches are late."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .durations import Array, Counts
from .lateness import Lateness


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the schedule is to minimise. K intervals, M memories, N counts of executors.

    counts: shape (N,). allowed: of the counts, those within the job's bounds, shape (N,). shuffle: $ of an interval's
    shuffle without a late batch, infinite where that cannot be, shape (K, M, N). needed_before: executors that must
    have been there in the interval before, shape (K, M). compute: $ of an interval with none of its shuffle, shape
    (M, N). request, release: $ of an executor more or less, beyond the intervals in which it works, shape (M,).
    landing: counts that may be there in the interval of a restart: where that lasts longer, only the fewest, and those
    that it brings are requested like any other; shape (N,).
    lag: intervals from the first decision until executors can be more than at the start.
    initial: memory and count at the start, as indices. late_dollars: of one late batch.
    """

    counts: Counts
    allowed: npt.NDArray[np.bool_]
    shuffle: Array
    needed_before: Counts
    compute: Array
    request: Array
    release: Array
    landing: npt.NDArray[np.bool_]
    lag: int
    initial: tuple[int, int]
    late_dollars: float
    lateness: Lateness


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One choice an interval, as indices, shape (K,). late: intervals of a stretch of lateness.

    value: dollars and late batches at their price. late_batches: at least so many.
    """

    memory: Counts
    executors: Counts
    late: npt.NDArray[np.bool_]
    value: float
    late_batches: float


def cheapest(costs: Costs) -> Schedule:
    """Solve forwards, then walk back from the cheapest end."""
    return _Solver(costs).walk_back()


class _Solver:
    """The least value of being in a state at the end of each interval, on time or late; shape (K, M, N).

    ``unpaid`` is that of being on time without the interval's own shuffle: a batch that is broken off, or that waits
    until lateness has begun, may be done more cheaply.
    """

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        lateness, dollars = costs.lateness, costs.late_dollars
        self._entry, self._restart = lateness.entry * dollars, lateness.restart_entry * dollars
        self._interval, self._overload = lateness.interval * dollars, lateness.overload * dollars
        self._compute = np.where(costs.allowed, costs.compute, np.inf)
        self._on_time, self._unpaid, self._late = (np.full(costs.shuffle.shape, np.inf) for _ in range(3))
        m, n = costs.initial
        self._unpaid[0, m, n] = costs.compute[m, n] if np.isfinite(costs.shuffle[0, m, n]) else np.inf
        self._on_time[0, m, n] = costs.compute[m, n] + costs.shuffle[0, m, n]
        self._late[0, m, n] = self._entry + costs.compute[m, n] + self._interval[0]
        for k in range(1, len(self._late)):
            self._step(k)

    def _step(self, k: int) -> None:
        costs, lateness, counts = self._costs, self._costs.lateness, self._costs.counts
        unpaid, late = self._unpaid[k - 1], self._late[k - 1]
        either = np.minimum(self._on_time[k - 1], late)
        either[counts < costs.needed_before[k][:, None]] = np.inf
        moved = np.minimum(self._fewer(either), self._more(either, k)) + self._compute
        self._on_time[k] = moved + costs.shuffle[k]
        self._unpaid[k] = np.where(np.isfinite(costs.shuffle[k]), moved, np.inf)
        stay = np.minimum(unpaid + self._entry, late)
        anew = np.minimum(unpaid + self._restart[k], late)
        was = counts <= lateness.overloaded[k - 1][:, None]
        new = np.full(stay.shape, np.inf)
        if was.any():
            charge = self._overload[k] * (counts <= lateness.overloaded[k][:, None])
            charge_more = self._overload[k] * (counts <= lateness.outgrown[k][:, None])
            stay_over, anew_over = np.where(was, stay, np.inf), np.where(was, anew, np.inf)
            new = self._fewer(stay_over)
            new = np.minimum(new, np.where(costs.landing, anew_over.min(), np.inf))
            new = np.minimum(new + charge, self._more(stay_over, k) + charge_more)
            stay, anew = np.where(was, np.inf, stay), np.where(was, np.inf, anew)
        new = np.minimum(new, np.minimum(self._fewer(stay), self._more(stay, k)))
        new = np.minimum(new, np.where(costs.landing, anew.min(), np.inf))
        self._late[k] = new + self._compute + self._interval[k]

    def _fewer(self, values: Array) -> Array:
        """The least value of each state if executors leave before its interval, or none does."""
        release = self._costs.release[:, None] * self._costs.counts
        return np.asarray(np.minimum.accumulate((values + release)[:, ::-1], axis=1)[:, ::-1] - release)

    def _more(self, values: Array, k: int) -> Array:
        """The least value of each state if executors come for its interval."""
        more = np.full(values.shape, np.inf)
        if k > self._costs.lag:
            request = self._costs.request[:, None] * self._costs.counts
            more[:, 1:] = np.minimum.accumulate(values - request, axis=1)[:, :-1] + request[:, 1:]
        return more

    def walk_back(self) -> Schedule:
        """The states that led to the least value."""
        lateness, size = self._costs.lateness, len(self._late)
        memory, executors = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        late = np.zeros(size, dtype=np.bool_)
        ends = np.stack((self._on_time[-1], self._late[-1]))
        is_late, m, n = _least(ends)
        late_batches = 0.0
        for k in range(size - 1, -1, -1):
            memory[k], executors[k], late[k] = m, n, is_late
            late_batches += is_late * lateness.interval[k]
            if k:
                is_late, m, n, charged = self._before(k, is_late, m, n)
                late_batches += charged
            else:
                late_batches += is_late * lateness.entry
        return Schedule(
            memory=memory, executors=executors, late=late, value=float(ends.min()), late_batches=float(late_batches)
        )

    def _before(self, k: int, is_late: int, m: int, n: int) -> tuple[int, int, int, float]:
        """The state before, and the late batches that going from it to this one is charged with."""
        costs, lateness, counts = self._costs, self._costs.lateness, self._costs.counts
        gap = counts[n] - counts
        move = np.where(gap > 0, costs.request[m] * gap if k > costs.lag else np.inf, -costs.release[m] * gap)
        move[gap == 0] = 0.0
        late = self._late[k - 1]
        if not is_late:
            enough = counts >= costs.needed_before[k, m]
            was_late, before = _least(np.where(enough, np.stack((self._on_time[k - 1, m], late[m])) + move, np.inf))
            return was_late, m, before, 0.0
        unpaid = self._unpaid[k - 1]
        was = counts <= lateness.overloaded[k - 1][:, None]
        lasts = was & (counts[n] <= lateness.overloaded[k, m])
        lasts_here = np.where(gap > 0, was[m] & (counts[n] <= lateness.outgrown[k, m]), lasts[m])
        stay = np.stack((unpaid[m] + self._entry, late[m])) + move + self._overload[k] * lasts_here
        anew = np.stack((unpaid + self._restart[k], late)) + self._overload[k] * lasts
        if not costs.landing[n] or stay.min() <= anew.min():
            was_late, before = _least(stay)
            entry = (1 - was_late) * lateness.entry
            return was_late, m, before, entry + float(lateness.overload[k]) * bool(lasts_here[before])
        was_late, before_m, before = _least(anew)
        entry = (1 - was_late) * float(lateness.restart_entry[k])
        return was_late, before_m, before, entry + float(lateness.overload[k]) * bool(lasts[before_m, before])


def _least(values: Array) -> list[int]:
    """The index of the least value."""
    return [int(i) for i in np.unravel_index(int(values.argmin()), values.shape)]
