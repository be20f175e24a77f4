"""The realistic cluster model: one streaming job in virtual time, event by event.

    trigger ──> batch takes the backlog ──> runs for its duration ──> done, next trigger or at once when late

Between two events nothing changes but the backlog and the bill. What happens depends on the seed, the load and the
allocations, never on how often somebody looks.
"""

import math
from dataclasses import dataclass

import numpy as np

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.job import Prices
from sparkiot_policies.measurement import Batch

from .calibration import Calibration, Preset
from .executors import ExecutorPool
from .profile import JobProfile
from .temperature import TemperatureWalk
from .work import BatchWork, WorkModel
from .workload import Load

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Streams:
    """Random numbers of one job: of its executors' startups and losses, of its data's temperature, of its restarts."""

    pool: np.random.Generator
    temperature: np.random.Generator
    restart: np.random.Generator


def random_streams(seed: int) -> Streams:
    """Fresh streams, apart from each other, so that what one part draws changes nothing for another."""
    return Streams(*(np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)))


@dataclass(slots=True)
class RunningBatch:
    """A micro-batch in flight. Times in epoch seconds; ``oldest``: when its oldest row arrived."""

    start: float
    end: float
    rows: float
    oldest: float
    work: BatchWork
    shuffle_dollars: float

    def cpu_s(self, now: float) -> float:
        """Seconds of computing up to ``now``, spread evenly over the batch."""
        return (now - self.start) * self.work.cpu_s / self.work.duration_s


class Cluster:
    """One job on a cluster. ``advance`` is the only way to move time; counters only grow.

    processed, shuffle_dollars: rows of finished batches, and what their shuffle cost. last: the batch that finished
    last. lost_executors, out_of_memory, restarts: counts. restart_cost_s: of the last restart, seconds.
    """

    def __init__(
        self,
        *,
        profile: JobProfile,
        workload: Load,
        calibration: Calibration,
        preset: Preset,
        prices: Prices,
        allocation: Allocation,
        start: float,
        seed: int,
        backlog: float = 0.0,
    ) -> None:
        streams = random_streams(seed)
        self._restart_rng = streams.restart
        self.profile = profile
        self.workload = workload
        self.prices = prices
        self.allocation = allocation
        self.now = self._start = start
        self.pool = ExecutorPool(count=allocation.executors, preset=preset, rng=streams.pool, now=start)
        self._calibration = calibration
        self._preset = preset
        self._temperature = TemperatureWalk(
            mean=profile.temperature, constants=calibration.temperature, rng=streams.temperature, start=start
        )
        self._work = WorkModel(profile=profile, calibration=calibration, allocation=allocation)
        self._state_window_s = calibration.memory.state_window_s.value
        self._state_rate = workload.rate_at(start)
        self._carried = backlog
        self._oldest = self._taken_until = start
        self._taken = workload.until(start)
        self._trigger = start + profile.trigger_interval_s
        self._available = start
        self._running: RunningBatch | None = None
        self._compute_dollars = 0.0
        self._billed_until = start
        self._compute_per_hour = self._bill_rate()
        self._batches: list[Batch] = []
        self.last: RunningBatch | None = None
        self.processed = 0.0
        self.shuffle_dollars = 0.0
        self.cpu_done_s = 0.0
        self.lost_executors = 0
        self.out_of_memory = 0
        self.restarts = 0
        self.restart_cost_s: float | None = None

    @property
    def in_flight(self) -> float:
        """Rows of the batch that runs."""
        return self._running.rows if self._running else 0.0

    @property
    def backlog(self) -> float:
        """Rows that arrived and are not in a batch."""
        return self._carried + self.workload.between(self._taken, self.workload.until(self.now))

    @property
    def state_mib(self) -> float:
        """MiB of state that the query holds over all executors."""
        return self.profile.state_mib * self._state_rate

    @property
    def temperature(self) -> float:
        return self._temperature.at(self.now)

    @property
    def cpu_s(self) -> float:
        """Seconds in which the executors computed, up to now."""
        return self.cpu_done_s + (self._running.cpu_s(self.now) if self._running else 0.0)

    @property
    def compute_per_hour(self) -> float:
        """$/h of the executors and their memory, as billed now."""
        return self._compute_per_hour

    @property
    def dollars(self) -> float:
        """All that was billed up to now: executors, memory and shuffle."""
        unsettled = self._compute_per_hour * (self.now - self._billed_until) / SECONDS_PER_HOUR
        return self._compute_dollars + unsettled + self.shuffle_dollars

    def take_batches(self) -> tuple[Batch, ...]:
        """The batches that finished since the last call."""
        taken = tuple(self._batches)
        self._batches.clear()
        return taken

    def advance(self, now: float) -> None:
        """Let everything happen up to ``now``, epoch seconds. Raises ValueError when that lies in the past."""
        if now < self.now:
            raise ValueError(f"time cannot go back from {self.now} to {now}")
        while True:
            running, pool_event = self._running, self.pool.next_event
            work_event = running.end if running else self._next_start()
            event = work_event if work_event < pool_event else pool_event
            if event > now:
                break
            self.now = event
            if event >= pool_event:
                self._pool_changes()
            if (running := self._running) and event >= running.end:
                self._finish(running)
            if not self._running and event >= self._next_start():
                self._begin()
        self.now = now

    def apply(self, allocation: Allocation) -> None:
        """Make an allocation the desired one, now. Other memory restarts the query from its checkpoint."""
        old, self.allocation = self.allocation, allocation
        if old == allocation:
            return
        self._settle()
        before = self.pool.running
        self.pool.scale(allocation.executors, self.now)
        if self._running and self.pool.running != before:
            self._reschedule(self._running, lost=0, before=before)
        if old.memory_mib != allocation.memory_mib:
            self._restart()
        self._work = WorkModel(profile=self.profile, calibration=self._calibration, allocation=allocation)
        self._compute_per_hour = self._bill_rate()

    def drain(self, count: int) -> int:
        """So many executors have to end, now, and are replaced; how many of them there were."""
        self._settle()
        before = self.pool.running
        self.pool.drain(count, self.now)
        if self._running and self.pool.running != before:
            self._reschedule(self._running, lost=0, before=before)
        self._compute_per_hour = self._bill_rate()
        return before - self.pool.running

    def retune(self, profile: JobProfile, calibration: Calibration, preset: Preset) -> None:
        """Take over what is known better of the job by now. A batch that runs ends as it was planned."""
        self.profile, self._calibration, self._preset = profile, calibration, preset
        self.pool.retune(preset)
        self._work = WorkModel(profile=profile, calibration=calibration, allocation=self.allocation)

    def _next_start(self) -> float:
        """When a batch can start: at its trigger, not during a restart, never without executors."""
        return max(self._trigger, self._available) if self.pool.running else math.inf

    def _begin(self) -> None:
        now, since = self.now, self._taken_until
        taken_before, self._taken = self._taken, self.workload.until(now)
        arrived = self.workload.between(taken_before, self._taken)
        rows = self._carried + arrived
        interval = self.profile.trigger_interval_s
        self._trigger = self._start + interval * (math.floor((now - self._start) / interval + 1e-9) + 1)
        self._taken_until = now
        if now > since:
            fade = math.exp((since - now) / self._state_window_s)
            self._state_rate = fade * self._state_rate + (1 - fade) * arrived / (now - since)
        if rows <= 0:
            self._oldest = now
            return
        taken = min(rows, self.profile.most_rows or rows)
        # What stays behind is the younger part; arrivals since the oldest row count as even.
        oldest, self._oldest = self._oldest, self._oldest + (now - self._oldest) * taken / rows
        self._carried = rows - taken
        rows = taken
        work = self._work.batch(
            rows=rows,
            state_mib=self.state_mib,
            executors=self.pool.running,
            temperature=self._temperature.at(now),
        )
        self._running = RunningBatch(
            now,
            now + work.duration_s,
            rows,
            oldest,
            work,
            work.shuffle_gib * self.prices.shuffle_gib[self.allocation.tier],
        )
        if work.out_of_memory:
            self.out_of_memory += 1
            self._settle()
            self.pool.kill_one(now)
            self._compute_per_hour = self._bill_rate()

    def _finish(self, batch: RunningBatch) -> None:
        end = batch.end
        self._batches.append(Batch(end, batch.rows, end - batch.start, 1000 * (end - batch.oldest)))
        self.processed += batch.rows
        self.cpu_done_s += batch.cpu_s(end)
        self.shuffle_dollars += batch.shuffle_dollars
        self.last = batch
        self._running = None

    def _abort(self, batch: RunningBatch) -> None:
        """Put the rows back: they are read again from the source's offsets."""
        self._carried += batch.rows
        self._oldest = batch.oldest
        self.cpu_done_s += batch.cpu_s(self.now)
        self._running = None

    def _pool_changes(self) -> None:
        before = self.pool.running
        self._settle()
        lost = self.pool.advance(self.now)
        self._compute_per_hour = self._bill_rate()
        self.lost_executors += lost
        if self._running and (lost or self.pool.running != before):
            self._reschedule(self._running, lost=lost, before=before)

    def _reschedule(self, batch: RunningBatch, *, lost: int, before: int) -> None:
        """Executors that came take their part of what is left to do; what lost ones had done is done again."""
        if self.pool.running == 0:
            self._abort(batch)
            return
        # A batch whose last executor was killed for memory runs on as its retry, on the one that comes.
        before = max(before, 1)
        shared_from = batch.start + batch.work.fixed_s
        at = max(self.now, shared_from)
        again = (at - shared_from) * lost / before
        pace = (before / self.pool.running) ** self._calibration.batch.scaling_exponent.value
        batch.end = at + (batch.end - at + again) * pace

    def _restart(self) -> None:
        if self._running:
            self._abort(self._running)
        spread = self._preset.restart_spread.value * self._restart_rng.standard_normal()
        self.restart_cost_s = self._preset.restart_s.value * math.exp(spread)
        self._available = self.now + self.restart_cost_s
        self.pool.restart(self._available, self.now)
        self.restarts += 1

    def _settle(self) -> None:
        self._compute_dollars += self._compute_per_hour * (self.now - self._billed_until) / SECONDS_PER_HOUR
        self._billed_until = self.now

    def _bill_rate(self) -> float:
        return self.prices.compute_per_hour(self.pool.billed, self.allocation.memory_mib)
