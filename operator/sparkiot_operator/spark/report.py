"""What a driver reports: the answer of ``GET /v1/observation``. Times are epoch seconds of the driver's clock.

Unknown fields are ignored and missing ones are None: a driver may run an older or a newer runtime than its operator.
"""

import enum

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sparkiot_policies.allocation import Allocation, Compression, Tier


class DriverRunState(enum.StrEnum):
    STARTING = "Starting"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    STOPPING = "Stopping"
    FINISHED = "Finished"
    FAILED = "Failed"


class _Wire(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


class WireAllocation(_Wire):
    generation: int
    executors: int
    memory_mib: int = Field(alias="memoryMiB")
    tier: Tier
    compression: Compression

    @property
    def allocation(self) -> Allocation:
        return Allocation(
            executors=self.executors, memory_mib=self.memory_mib, tier=self.tier, compression=self.compression
        )


class AppliedReport(WireAllocation):
    """time: since when it is in force. cost_seconds: until executors had registered, or the outage of a restart."""

    time: float | None = None
    cost_seconds: float | None = None


class QueryReport(_Wire):
    """backlog_rows: rows that wait; backlog_time: when it was so, None for the report's own time."""

    id: str
    run_id: str | None = None
    name: str | None = None
    active: bool = False
    exception: str | None = None
    trigger_interval_seconds: float | None = None
    batch_id: int | None = None
    input_rows_per_second: float | None = None
    processed_rows_per_second: float | None = None
    backlog_rows: float | None = None
    backlog_time: float | None = None
    state_rows: int | None = None
    state_bytes: int | None = None
    batch_running_seconds: float | None = None


class BatchReport(_Wire):
    """A completed batch that had rows. seq: grows over restarts of Spark in the pod."""

    seq: int
    query: str
    batch_id: int
    start: float
    end: float
    rows: int
    duration_seconds: float
    latency_seconds: float


class TotalsReport(_Wire):
    """Sums since the supervisor began. arrived_until: all rows that arrived before it are in ``rows``.

    failed_batches: each ended its query; batches that ran again in a query that was started anew count each time.
    """

    rows: int | None = None
    batches: int | None = None
    failed_batches: int | None = None
    arrived_until: float | None = None
    shuffle_write_bytes: int | None = None
    shuffle_read_bytes: int | None = None
    input_bytes: int | None = None
    spill_bytes: int | None = None
    gc_seconds: float | None = None
    task_seconds: float | None = None
    failed_tasks: int | None = None
    executors_noticed: int | None = None
    executors_lost: int | None = None
    executors_out_of_memory: int | None = None


class ExecutorReport(_Wire):
    id: str
    host: str | None = None
    registered_at: float | None = None
    startup_seconds: float | None = None
    active_tasks: int | None = None


class RemovedReport(_Wire):
    """wanted: whether the driver was told to let it go."""

    id: str
    time: float | None = None
    reason: str | None = None
    out_of_memory: bool = False
    wanted: bool = False


class ExecutorsReport(_Wire):
    """cores: of one executor."""

    wanted: int | None = None
    running: int | None = None
    pending: int | None = None
    ending: int | None = None
    cores: int | None = None
    list_: tuple[ExecutorReport, ...] = Field((), alias="list")
    removed: tuple[RemovedReport, ...] = ()


class RuntimeReport(_Wire):
    """What our own code in the driver takes."""

    cpu_seconds: float | None = None
    rss_bytes: int | None = None


class TierFailureReport(_Wire):
    """A tier that did not do what a batch asked of it. reason: the class of the error, such as TierUnavailable."""

    tier: str
    reason: str
    message: str | None = None


class TierDownReport(TierFailureReport):
    """A tier that is left alone after a failure. since, retry_at: when it failed, when it is tried again."""

    since: float | None = None
    retry_at: float | None = None


class TierCheckReport(_Wire):
    """What a check of a tier found from within the driver's pod. reason, message: None when the tier works."""

    tier: str
    reason: str | None = None
    message: str | None = None
    time: float | None = None


class ShuffleBatchReport(_Wire):
    """A micro-batch that went through the tiered shuffle.

    wanted_tier: of the allocation at its start; tier: the one that most of its bytes went to. raw_bytes: of its rows
    as Arrow; ratio: stored by raw, None without rows. write_seconds, read_seconds: summed over tasks. reread_bytes: of
    what was read, the part that was read more than once. attempts: 1 where no block was lost. seconds: from the start
    of its first exchange to the commit.
    """

    seq: int
    time: float | None = None
    query: str | None = None
    batch_id: int | None = None
    wanted_tier: Tier
    tier: Tier
    compression: Compression
    rows: int | None = None
    blocks: int | None = None
    raw_bytes: int | None = None
    stored_bytes: int | None = None
    ratio: float | None = None
    read_bytes: int | None = None
    reread_bytes: int | None = None
    write_seconds: float | None = None
    read_seconds: float | None = None
    seconds: float | None = None
    attempts: int | None = None
    failures: tuple[TierFailureReport, ...] = ()


class ShuffleTotalsReport(_Wire):
    """Sums since the supervisor began, as in a batch. retried_batches: repetitions, of blocks that were lost."""

    batches: int | None = None
    retried_batches: int | None = None
    rows: int | None = None
    blocks: int | None = None
    raw_bytes: int | None = None
    stored_bytes: int | None = None
    read_bytes: int | None = None
    reread_bytes: int | None = None
    write_seconds: float | None = None
    read_seconds: float | None = None


class ShuffleTierReport(_Wire):
    """Sums of one tier. failures: batches in which it failed, by reason."""

    tier: Tier
    blocks: int | None = None
    raw_bytes: int | None = None
    stored_bytes: int | None = None
    read_bytes: int | None = None
    write_seconds: float | None = None
    read_seconds: float | None = None
    failures: dict[str, int] = {}


class ShuffleReport(_Wire):
    """The tiered shuffle. batches: the newest ones. temperature: the probability that its data is read again."""

    batches: tuple[ShuffleBatchReport, ...] = ()
    totals: ShuffleTotalsReport = ShuffleTotalsReport()
    tiers: tuple[ShuffleTierReport, ...] = ()
    down: tuple[TierDownReport, ...] = ()
    temperature: float | None = None


class DriverReport(_Wire):
    """One answer of a driver.

    incarnation: of its supervisor process; totals and seq begin anew with another. figures_at: when the executors'
    figures were read from Spark, None before the first time since its start. shuffle: None where the job's program does
    not use the tiered shuffle. tier_checks: empty until the stated tiers were checked.
    """

    time: float
    incarnation: str
    state: DriverRunState
    message: str | None = None
    spark_version: str | None = None
    application_id: str | None = None
    started_at: float | None = None
    figures_at: float | None = None
    queries: tuple[QueryReport, ...] = ()
    batches: tuple[BatchReport, ...] = ()
    totals: TotalsReport = TotalsReport()
    executors: ExecutorsReport = ExecutorsReport()
    memory_percent: float | None = None
    startup_seconds: float | None = None
    restart_cost_seconds: float | None = None
    desired: WireAllocation | None = None
    applied: AppliedReport | None = None
    shuffle: ShuffleReport | None = None
    tier_checks: tuple[TierCheckReport, ...] = ()
    runtime: RuntimeReport | None = None

    @property
    def last_seq(self) -> int | None:
        """Number of the newest batch in it; None without one."""
        return max((batch.seq for batch in self.batches), default=None)
