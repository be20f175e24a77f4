"""What a log of decisions says of a job's course: numbers in columns, some 200 bytes a decision, in stretches.

A stretch is what belongs together: the same job as its owner described it, without a gap. A gap is a time in which
nobody looked, as when the operator was down; no load is made up for it.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import COMPRESSIONS, TIERS, Allocation
from sparkiot_policies.decision import Decision
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_sim.workload import Workload

Column = npt.NDArray[np.float64]

GAP_INTERVALS = 6.0
"""Decision intervals without a decision from which on a stretch ends: a cycle or two may be late or left out."""
SHORTEST = 12
"""Looks of a stretch that is worth playing: with fewer, all of it is the start."""
COLUMNS = (
    "time",
    "rate",
    "predicted",
    "alarm",
    "probability",
    "executors",
    "memory_mib",
    "tier",
    "compression",
    "running",
    "pending",
    "backlog",
    "cost_per_hour",
    "lateness",
    "duration_s",
    "volume_mb",
    "shuffle_mb",
    "trigger_s",
    "startup_s",
    "restart_s",
    "temperature",
    "state_mib",
)
"""Of each look, NaN where nobody measured. time: epoch seconds. rate, predicted: messages/s; predicted, alarm (0 or 1)
and probability: of a fresh edge signal. executors to compression (indices): the allocation in force at the look.
cost_per_hour: dollars. lateness: of the newest batch over the target. duration_s, volume_mb, shuffle_mb: of the last
batch. trigger_s, startup_s, restart_s: seconds. state_mib: over all executors."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Looks without a gap, all of one job. columns: by name in COLUMNS, each of shape (looks,). playable: whether it is
    long enough, SHORTEST, and has a load."""

    job: Job
    columns: Mapping[str, Column]

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    @property
    def start(self) -> float:
        """Epoch seconds of the first look."""
        return float(self["time"][0])

    @property
    def duration_s(self) -> float:
        return float(self["time"][-1] - self["time"][0])

    def allocation(self, look: int) -> Allocation:
        """The allocation in force at a look."""
        return allocation_at(self.columns, look)

    @property
    def backlog(self) -> float:
        """Messages that waited at the first look; none where that was not measured."""
        return float(np.nan_to_num(self["backlog"][0]))

    def workload(self) -> Workload:
        """The load that arrived. A look's rate is that of the time since the look before it; where none was measured,
        the last one that was holds. Raises ValueError when none was."""
        rates = self["rate"][1:]
        known = np.isfinite(rates)
        if not known.any():
            raise ValueError(f"job {self.job.name}: no rate was measured from {self.start:g} on; there is no load")
        # The newest known index up to each look; before the first, the first.
        newest = np.maximum.accumulate(np.where(known, np.arange(len(rates)), -1))
        filled = rates[np.where(newest < 0, int(known.argmax()), newest)]
        times = self["time"]
        return Workload(name=self.job.name, times=times[:-1], rates=filled, end=float(times[-1]))

    def between(self, begin: float, end: float) -> "Stretch | None":
        """The looks in [begin, end), epoch seconds; None where they are too few to play or have no load."""
        inside = (self["time"] >= begin) & (self["time"] < end)
        part = Stretch(self.job, {name: column[inside] for name, column in self.columns.items()})
        return part if part.playable else None

    @property
    def playable(self) -> bool:
        return len(self["time"]) >= SHORTEST and bool(np.isfinite(self["rate"][1:]).any())


def allocation_at(columns: Mapping[str, Column], look: int) -> Allocation:
    """The allocation in force at a look of columns by name."""
    return Allocation(
        executors=int(columns["executors"][look]),
        memory_mib=int(columns["memory_mib"][look]),
        tier=TIERS[int(columns["tier"][look])],
        compression=COMPRESSIONS[int(columns["compression"][look])],
    )


class Course:
    """The decisions of one job, oldest first; ``add`` takes one in and forgets it but for its numbers.

    disordered: decisions that are no newer than the one before, as of a file that is given twice; left out.
    """

    def __init__(self) -> None:
        self._columns = {name: array("d") for name in COLUMNS}
        self._begun: list[tuple[int, Job]] = []
        self.disordered = 0

    def __len__(self) -> int:
        """How many looks were taken in."""
        return len(self._columns["time"])

    def add(self, job: Job, evaluation: Evaluation, decision: Decision) -> None:
        """Take the next decision in, as ``Controller.step`` gave it."""
        times = self._columns["time"]
        last = times[-1] if times else None
        if last is not None and decision.time <= last:
            self.disordered += 1
            return
        if (
            last is None
            or job != self._begun[-1][1]
            or decision.time - last > GAP_INTERVALS * max(job.interval_s, self._begun[-1][1].interval_s)
        ):
            self._begun.append((len(times), job))
        for name, value in _numbers(evaluation, decision).items():
            self._columns[name].append(np.nan if value is None else value)

    @property
    def end(self) -> float:
        """Epoch seconds of the last look. Raises IndexError without one."""
        return self._columns["time"][-1]

    @property
    def span_s(self) -> float:
        """Seconds from the first look to the last, gaps included."""
        times = self._columns["time"]
        return times[-1] - times[0] if times else 0.0

    def stretches(self) -> list[Stretch]:
        """Those that are long enough to play and have a load, oldest first."""
        columns = {name: np.array(column, dtype=np.float64) for name, column in self._columns.items()}
        ends = [*(begin for begin, _ in self._begun[1:]), len(self)]
        cut = [
            Stretch(job, {name: column[begin:end] for name, column in columns.items()})
            for (begin, job), end in zip(self._begun, ends, strict=True)
        ]
        return [stretch for stretch in cut if stretch.playable]


def _numbers(evaluation: Evaluation, decision: Decision) -> dict[str, float | None]:
    seen, in_force = evaluation.observation, evaluation.history.allocation
    fresh = bool(evaluation.signal_fresh)
    return {
        "time": decision.time,
        "rate": seen.workload_rate,
        "predicted": seen.predicted_rate if fresh else None,
        "alarm": seen.burst if fresh else None,
        "probability": seen.burst_probability if fresh else None,
        "executors": in_force.executors,
        "memory_mib": in_force.memory_mib,
        "tier": in_force.tier.code,
        "compression": in_force.compression.code,
        "running": seen.running,
        "pending": seen.pending,
        "backlog": seen.backlog,
        "cost_per_hour": seen.cost_rate,
        "lateness": seen.lateness,
        "duration_s": seen.batch_duration,
        "volume_mb": seen.data_volume,
        "shuffle_mb": seen.shuffle_size,
        "trigger_s": seen.trigger_interval,
        "startup_s": seen.startup,
        "restart_s": evaluation.restart_cost_s,
        "temperature": seen.temperature,
        "state_mib": evaluation.state_mib,
    }
