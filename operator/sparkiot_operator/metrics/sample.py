"""What is kept of one job between two scrapes: its last cycle and status, and what it did so far."""

from bisect import bisect_left
from collections import Counter as Tally
from dataclasses import dataclass, field

from sparkiot_operator.resource.status import SparkIoTJobStatus
from sparkiot_operator.status import STOPPED, Cycle

from .restarts import RestartTally

SECONDS_PER_HOUR = 3600.0
BATCH_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the buckets of a batch's times, in seconds: around the latency objectives of a second to a minute."""


class Distribution:
    """A histogram of seconds. A scrape reads it from another thread: ``buckets`` never disagree among themselves."""

    __slots__ = ("_counts", "sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BATCH_SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(BATCH_SECONDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound as text, and how many were within it; the last is +Inf."""
        running, found = 0, []
        for bound, count in zip((*map(str, BATCH_SECONDS), "+Inf"), self._counts.copy(), strict=True):
            running += count
            found.append((bound, float(running)))
        return found


@dataclass(slots=True)
class JobSample:
    """What the collector needs of one job.

    last: None before the first cycle, and while nothing runs. status: as it was found last. cycled: real time of the
    last cycle, epoch seconds.
    """

    last: Cycle | None = None
    status: SparkIoTJobStatus | None = None
    cycled: float | None = None
    decisions: Tally[str] = field(default_factory=Tally)
    clamps: Tally[str] = field(default_factory=Tally)
    fallbacks: Tally[str] = field(default_factory=Tally)
    restarts: RestartTally = field(default_factory=RestartTally)
    durations: Distribution = field(default_factory=Distribution)
    latencies: Distribution = field(default_factory=Distribution)
    errors: int = 0
    skipped: int = 0
    batches: int = 0
    batches_met: int = 0
    messages: float = 0.0
    dollars: float = 0.0
    scalings: int = 0
    executors_lost: int = 0
    out_of_memory: int = 0

    def settle(self, status: SparkIoTJobStatus) -> None:
        """Take in what a turn found. What a job was is not what it is once nothing of it runs."""
        self.status = status
        if status.phase in STOPPED:
            self.last = None

    def take(self, cycle: Cycle, *, now: float) -> None:
        """Count one cycle in. now: real time, epoch seconds.

        Cost is what was billed per hour since the cycle before, over the job time between.
        """
        before, self.last, self.cycled = self.last, cycle, now
        self.decisions[cycle.decision.reason.value] += 1
        for clamp in cycle.decision.clamps:
            self.clamps[clamp.code.value] += 1
        if cycle.decision.fallback is not None:
            self.fallbacks[cycle.decision.fallback.value] += 1
        self.scalings += cycle.allocation.executors != cycle.decision.previous.executors
        self.restarts.take(before, cycle)
        if (measured := cycle.measurement) is None:
            return
        target_ms = cycle.job.objectives.latency_target_ms
        for batch in measured.batches:
            self.durations.observe(batch.duration_s)
            self.latencies.observe(batch.latency_ms / 1000)
            self.messages += batch.rows
            self.batches_met += batch.latency_ms <= target_ms
        self.batches += len(measured.batches)
        self.executors_lost += measured.lost_executors
        self.out_of_memory += measured.out_of_memory
        if before is not None and measured.cost_per_hour is not None:
            self.dollars += measured.cost_per_hour * (cycle.time - before.time) / SECONDS_PER_HOUR
