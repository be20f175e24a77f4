"""What a backend measured, and what the edge announced. Missing is None, never zero."""

from dataclasses import dataclass

from .allocation import Allocation


@dataclass(frozen=True, slots=True)
class Batch:
    """One completed micro-batch.

    time: epoch seconds of its end. rows: input rows. duration_s: of processing.
    latency_ms: end to end, of its oldest row: wait for the batch plus its duration.
    """

    time: float
    rows: float
    duration_s: float
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One look at a running job.

    time: epoch seconds at which the values held. rate: messages/s that arrived since the last look. backlog: messages
    not yet in a batch. volume_mb, shuffle_mb: of the last batch, raw. cpu, memory: percent of what is allocated.
    state_mib: MiB of the queries' state over all executors. running: registered executors. pending: requested, not
    registered. unschedulable: of these, those for which the cluster has no room. quota_executors: executors that the
    namespace's quota has room for, those of the job included; None where no quota bounds them. leaving: executors whose
    end was announced since the last look, as by a drain of their node, or that are still here then. temperature:
    re-read probability. cost_per_hour: $/h billed now. batches: completed since the last look. applied: the allocation
    in force. startup_s, restart_cost_s: last measured, seconds. uptime_s: since Spark last started, where it warms up.
    lost_executors, out_of_memory: since the last look.
    """

    time: float
    rate: float | None = None
    backlog: float | None = None
    volume_mb: float | None = None
    shuffle_mb: float | None = None
    cpu: float | None = None
    memory: float | None = None
    state_mib: float | None = None
    running: int | None = None
    pending: int | None = None
    unschedulable: int = 0
    quota_executors: int | None = None
    leaving: int = 0
    temperature: float | None = None
    cost_per_hour: float | None = None
    trigger_interval_s: float | None = None
    batches: tuple[Batch, ...] = ()
    applied: Allocation | None = None
    startup_s: float | None = None
    restart_cost_s: float | None = None
    uptime_s: float | None = None
    lost_executors: int = 0
    out_of_memory: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSignal:
    """What the edge announces.

    time: epoch seconds at which it was made. horizon_s: how far ahead it looks. predicted_rate: messages/s.
    probability: of a burst, 0 to 1. alarm: a burst is announced.
    """

    time: float
    horizon_s: float
    predicted_rate: float
    probability: float
    alarm: bool

    def fresh(self, now: float, stale_after_s: float) -> bool:
        """Whether its time is near ``now``; one from the future is as little to be believed as an old one."""
        return abs(now - self.time) <= stale_after_s
