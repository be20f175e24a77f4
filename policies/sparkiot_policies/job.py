"""What the decision knows of a job: its objectives and every bound that the resource states, with its default.

The custom resource is translated into these values once a cycle; nothing here knows Kubernetes.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from .allocation import Allocation, Compression, Tier
from .objectives import Objectives


class Mode(enum.StrEnum):
    """How much a job lets the policy do."""

    ACTIVE = "Active"
    ADVISE = "Advise"
    PAUSED = "Paused"
    SHADOW = "Shadow"


class Weekday(enum.StrEnum):
    MONDAY = "Mon"
    TUESDAY = "Tue"
    WEDNESDAY = "Wed"
    THURSDAY = "Thu"
    FRIDAY = "Fri"
    SATURDAY = "Sat"
    SUNDAY = "Sun"


WEEKDAYS = tuple(Weekday)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedPeriod:
    """A daily span of wall-clock time in which nothing is scaled; it may cross midnight. Empty days: every day."""

    start: time
    end: time
    days: frozenset[Weekday] = frozenset()
    time_zone: str = "UTC"

    def contains(self, now: float) -> bool:
        """Whether ``now`` (epoch seconds) lies in the period; the day is the one on which the period began."""
        local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(self.time_zone))
        clock, day = local.time(), local.weekday()
        if self.start <= self.end:
            inside, began = self.start <= clock < self.end, day
        else:
            inside = clock >= self.start or clock < self.end
            began = day if clock >= self.start else (day - 1) % 7
        return inside and (not self.days or WEEKDAYS[began] in self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What is billed. Source of the defaults: the thesis arena's cost model.

    executor_hour: $/h of one executor. gib_hour: $/h of one GiB of executor memory.
    shuffle_gib: $/GiB of compressed shuffle data written, by tier.
    """

    executor_hour: float = 0.10
    gib_hour: float = 0.05
    shuffle_gib: Mapping[Tier, float] = field(
        default_factory=lambda: {Tier.HOT: 0.10, Tier.WARM: 0.05, Tier.COLD: 0.02, Tier.ARCHIVE: 0.005}
    )

    def compute_per_hour(self, executors: float, memory_mib: int) -> float:
        """$/h of some executors with so much memory each."""
        return executors * (self.executor_hour + self.gib_hour * memory_mib / 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of the safety envelope; times in seconds, memory in MiB. Raises ValueError when they contradict.

    override: executors that ``kubectl scale`` pins. max_up_factor, max_up_step: most executors after one scale-up, as a
    multiple and as a count more; both hold. max_down_factor: largest share that one scale-down may remove, above 0.
    stabilization_s: a scale-down goes no lower than the highest proposal of this time. restart_cost_s: outage of a
    restart until one was measured. restart_horizon_s: over which a restart must pay. restart_stabilization_s: for
    which proposals must have agreed on more or on less memory. stale_after_s: age at which a measurement holds the
    allocation. fallback_s: how long the fallback rule acts once it took over.
    """

    min_executors: int = 1
    max_executors: int = 20
    override: int | None = None
    min_memory_mib: int = 1024
    max_memory_mib: int = 8192
    tiers: tuple[Tier, ...] = (Tier.HOT, Tier.WARM, Tier.COLD)
    compressions: tuple[Compression, ...] = tuple(Compression)
    max_up_factor: float = 4.0
    max_up_step: int = 10
    max_down_factor: float = 0.5
    stabilization_s: float = 60.0
    cooldown_up_s: float = 0.0
    cooldown_down_s: float = 60.0
    cooldown_shuffle_s: float = 60.0
    restart_min_interval_s: float = 1800.0
    restart_cost_s: float = 60.0
    restart_horizon_s: float = 3600.0
    restart_stabilization_s: float = 300.0
    excluded: tuple[ExcludedPeriod, ...] = ()
    stale_after_s: float = 60.0
    signal_stale_after_s: float = 30.0
    fallback_s: float = 600.0

    def __post_init__(self) -> None:
        if not 1 <= self.min_executors <= self.max_executors:
            raise ValueError(f"executors: min {self.min_executors} must be from 1 to max {self.max_executors}")
        if not 0 < self.min_memory_mib <= self.max_memory_mib:
            raise ValueError(f"memory: min {self.min_memory_mib} MiB must be from 1 to max {self.max_memory_mib} MiB")
        if not self.tiers or not self.compressions:
            raise ValueError("at least one tier and one compression must be allowed")
        if not (self.max_up_factor > 1 and self.max_up_step >= 1 and 0 < self.max_down_factor <= 1):
            raise ValueError(
                f"steps: max_up_factor {self.max_up_factor} must exceed 1, max_up_step {self.max_up_step} must be at "
                f"least 1, max_down_factor {self.max_down_factor} must be above 0 and at most 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job as the decision sees it.

    interval_s: time between decisions. metrics_window_s: over which rates and latency are averaged.
    slo_window_s: over which attainment is counted. initial: the allocation that a job starts with.
    """

    name: str
    initial: Allocation
    mode: Mode = Mode.ACTIVE
    objectives: Objectives = Objectives()
    limits: Limits = Limits()
    prices: Prices = Prices()
    interval_s: float = 10.0
    metrics_window_s: float = 120.0
    slo_window_s: float = 3600.0
