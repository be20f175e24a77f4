"""The cheapest way through all intervals: dynamic programming over executors, memory and whether batches are late."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .lateness import ENTRY_SHARE, Lateness

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What the schedule is to minimise. K intervals, M memories, N counts of executors.

    counts: shape (N,). allowed: of the counts, those within the job's bounds, shape (N,). on_time: $ of an interval
    without a late batch, infinite where that cannot be, shape (K, M, N). needed_before: executors that must have been
    there in the interval before, shape (K, M). compute: $ of an interval with none of its shuffle, shape (M, N).
    work: $ by which an interval's work can be less than its compute, shape (N,). request, release: $ of an executor
    more or less, beyond the intervals in which it works, shape (M,). fresh: the same of one that a restart brings.
    lag: intervals from the first decision until executors can be more than at the start.
    initial: memory and count at the start, as indices. late_dollars: of one late batch.
    """

    counts: Array
    allowed: npt.NDArray[np.bool_]
    on_time: Array
    needed_before: Counts
    compute: Array
    work: Array
    request: Array
    release: Array
    fresh: Array
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
    solver = _Solver(costs)
    return solver.walk_back()


class _Solver:
    """Values of being in a state at the end of each interval: on time, and late."""

    def __init__(self, costs: Costs) -> None:
        self.costs = costs
        lateness, dollars = costs.lateness, costs.late_dollars
        size = costs.on_time.shape[0]
        self.entry = max((1 - ENTRY_SHARE) * lateness.entry * dollars - lateness.credit_dollars, 0.0)
        self.restart = np.maximum((1 - ENTRY_SHARE) * lateness.restart_entry * dollars - lateness.credit_dollars, 0.0)
        self.restart_again = np.maximum(self.restart - self.entry, 0.0)
        self.late_stage = costs.compute - costs.work
        self.late_extra = lateness.work_dollars + ENTRY_SHARE * lateness.rate * dollars
        self.on_time = np.full(costs.on_time.shape, np.inf)
        self.late = np.full(costs.on_time.shape, np.inf)
        m, n = costs.initial
        self.on_time[0, m, n] = costs.on_time[0, m, n]
        self.late[0, m, n] = self.late_stage[m, n] + self.late_extra[0] + self.entry
        forbidden = ~costs.allowed
        for k in range(1, size):
            before_on_time, before_late = self.on_time[k - 1], self.late[k - 1]
            either = np.minimum(before_on_time, before_late)
            either[costs.counts < costs.needed_before[k][:, None]] = np.inf
            self.on_time[k] = self._moved(either, k) + costs.on_time[k]
            stay = np.minimum(before_on_time + self.entry, before_late)
            restarted = min(before_on_time.min() + self.restart[k], before_late.min() + self.restart_again[k])
            late = np.minimum(self._moved(stay, k), restarted + costs.fresh[:, None] * costs.counts)
            self.late[k] = late + self.late_stage + self.late_extra[k]
            self.on_time[k][:, forbidden] = np.inf
            self.late[k][:, forbidden] = np.inf

    def _moved(self, values: Array, k: int) -> Array:
        """The least value of each state after executors came or left, before its own interval. Shape (M, N)."""
        costs = self.costs
        release = costs.release[:, None] * costs.counts
        fewer = np.minimum.accumulate((values + release)[:, ::-1], axis=1)[:, ::-1] - release
        if k <= costs.lag:
            return fewer
        request = costs.request[:, None] * costs.counts
        more = np.minimum.accumulate(values - request, axis=1) + request
        return np.minimum(fewer, more)

    def _given_up(self) -> tuple[int, float]:
        """From which interval on the load is best left alone, and the value then; the number of intervals for never.

        Rows that are overdue at the end count as late batches of the largest size.
        """
        costs = self.costs
        size = costs.on_time.shape[0]
        idle = costs.compute[:, costs.allowed].min()
        rates = np.cumsum(costs.lateness.rate[::-1])[::-1]
        tail = idle * np.arange(size, 0, -1) + costs.late_dollars * np.maximum(1.0, rates)
        m, n = costs.initial
        before = np.append(0.0, self.on_time[:-1].min(axis=(1, 2)))
        tail[0] += costs.compute[m, n] - idle
        values = before + tail - costs.lateness.credit_dollars
        best = int(values.argmin())
        kept = min(self.on_time[-1].min(), self.late[-1].min())
        return (best, float(values[best])) if values[best] < kept else (size, float(kept))

    def walk_back(self) -> Schedule:
        costs, rates = self.costs, self.costs.lateness.rate
        size, _, width = costs.on_time.shape
        memory, executors = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        late = np.zeros(size, dtype=np.bool_)
        last, value = self._given_up()
        late_batches = 0.0
        if last < size:
            late_batches = max(1.0, float(rates[last:].sum()))
            cheapest_idle = np.where(costs.allowed, costs.compute, np.inf).argmin()
            memory[last:], executors[last:] = divmod(int(cheapest_idle), width)
            late[last:] = True
            if last == 0:
                memory[0], executors[0] = costs.initial
        if last:
            is_late = last == size and self.late[-1].min() < self.on_time[-1].min()
            m, n = divmod(int((self.late if is_late else self.on_time)[last - 1].argmin()), width)
        for k in range(last - 1, -1, -1):
            memory[k], executors[k], late[k] = m, n, is_late
            late_batches += ENTRY_SHARE * rates[k] * is_late
            if k:
                was_late, m, n, charged = self._before(k, is_late, m, n)
                late_batches += charged
                is_late = was_late
            elif is_late:
                late_batches += (1 - ENTRY_SHARE) * costs.lateness.entry
        return Schedule(
            memory=memory,
            executors=executors,
            late=late,
            value=value,
            late_batches=min(late_batches, self._most(value)),
        )

    def _most(self, value: float) -> float:
        return value / self.costs.late_dollars if self.costs.late_dollars else np.inf

    def _before(self, k: int, is_late: bool, m: int, n: int) -> tuple[bool, int, int, float]:
        """The state before, and the late batches that going from it to this one is charged with."""
        costs, lateness = self.costs, self.costs.lateness
        gap = costs.counts[n] - costs.counts
        move = np.where(gap > 0, costs.request[m] * gap if k > costs.lag else np.inf, -costs.release[m] * gap)
        move[gap == 0] = 0.0
        on_time, late = self.on_time[k - 1], self.late[k - 1]
        if not is_late:
            enough = costs.counts >= costs.needed_before[k, m]
            options = np.where(enough, np.stack((on_time[m], late[m])) + move, np.inf)
            was_late, before = divmod(int(options.argmin()), costs.counts.size)
            return bool(was_late), m, before, 0.0
        stay = np.stack((on_time[m] + self.entry, late[m])) + move
        fresh = costs.fresh[m] * costs.counts[n]
        anew = np.stack((on_time + self.restart[k], late + self.restart_again[k])) + fresh
        if stay.min() <= anew.min():
            was_late, before = divmod(int(stay.argmin()), costs.counts.size)
            return bool(was_late), m, before, 0.0 if was_late else (1 - ENTRY_SHARE) * lateness.entry
        index = np.unravel_index(int(anew.argmin()), anew.shape)
        was_late, before_m, before = (int(i) for i in index)
        entries = lateness.restart_entry[k] - (lateness.entry if was_late else 0.0)
        return bool(was_late), before_m, before, (1 - ENTRY_SHARE) * max(entries, 0.0)
