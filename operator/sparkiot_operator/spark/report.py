"""What a driver reports: the answer of ``GET /v1/observation``. Times are epoch seconds of the driver's clock.

Unknown fields are ignored and missing ones are None: a driver may run an older or a newer runtime than its operator.
The runtime shares its pod with the user's program, so that a report may hold anything: numbers that no driver can mean
are refused here, before anything is calculated with them.
"""

import enum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from sparkiot_policies.allocation import Allocation, Compression, Tier

MAX_SAID = 4096
"""Characters of a message; the runtime says less."""
Count = Annotated[int, Field(ge=0, lt=10**18)]
Whole = Annotated[int, Field(gt=-(10**18), lt=10**18)]
Number = Annotated[float, Field(ge=-1e15, le=1e15)]
Epoch = Annotated[float, Field(ge=-4_102_444_800, le=4_102_444_800)]
"""Until the year 2100, and of a clock that was never set as far the other way: it can be written as a date."""
Said = Annotated[str, AfterValidator(lambda text: text[:MAX_SAID])]


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
    generation: Count
    executors: Count
    memory_mib: Count = Field(alias="memoryMiB")
    tier: Tier
    compression: Compression

    @property
    def allocation(self) -> Allocation:
        return Allocation(
            executors=self.executors, memory_mib=self.memory_mib, tier=self.tier, compression=self.compression
        )


class AppliedReport(WireAllocation):
    """time: since when it is in force. cost_seconds: until executors had registered, or the outage of a restart."""

    time: Epoch | None = None
    cost_seconds: Number | None = None


class QueryReport(_Wire):
    """backlog_rows: rows that wait; backlog_time: when it was so, None for the report's own time."""

    id: str
    run_id: str | None = None
    name: str | None = None
    active: bool = False
    exception: Said | None = None
    trigger_interval_seconds: Number | None = None
    batch_id: Whole | None = None
    input_rows_per_second: Number | None = None
    processed_rows_per_second: Number | None = None
    backlog_rows: Number | None = None
    backlog_time: Epoch | None = None
    state_rows: Count | None = None
    state_bytes: Count | None = None
    batch_running_seconds: Number | None = None


class BatchReport(_Wire):
    """A completed batch that had rows. seq: grows over restarts of Spark in the pod."""

    seq: Count
    query: str
    batch_id: Whole
    start: Epoch
    end: Epoch
    rows: Count
    duration_seconds: Number
    latency_seconds: Number


class TotalsReport(_Wire):
    """Sums since the supervisor began. arrived_until: all rows that arrived before it are in ``rows``.

    failed_batches: each ended its query; batches that ran again in a query that was started anew count each time.
    """

    rows: Count | None = None
    batches: Count | None = None
    failed_batches: Count | None = None
    arrived_until: Epoch | None = None
    shuffle_write_bytes: Count | None = None
    shuffle_read_bytes: Count | None = None
    input_bytes: Count | None = None
    spill_bytes: Count | None = None
    gc_seconds: Number | None = None
    task_seconds: Number | None = None
    failed_tasks: Count | None = None
    executors_noticed: Count | None = None
    executors_lost: Count | None = None
    executors_out_of_memory: Count | None = None


class ExecutorReport(_Wire):
    id: str
    host: str | None = None
    registered_at: Epoch | None = None
    startup_seconds: Number | None = None
    active_tasks: Count | None = None


class RemovedReport(_Wire):
    """wanted: whether the driver was told to let it go."""

    id: str
    time: Epoch | None = None
    reason: Said | None = None
    out_of_memory: bool = False
    wanted: bool = False


class ExecutorsReport(_Wire):
    """cores: of one executor."""

    wanted: Count | None = None
    running: Count | None = None
    pending: Count | None = None
    ending: Count | None = None
    cores: Count | None = None
    list_: tuple[ExecutorReport, ...] = Field((), alias="list")
    removed: tuple[RemovedReport, ...] = ()


class RuntimeReport(_Wire):
    """What our own code in the driver takes."""

    cpu_seconds: Number | None = None
    rss_bytes: Count | None = None


class TierFailureReport(_Wire):
    """A tier that did not do what a batch asked of it. reason: the class of the error, such as TierUnavailable."""

    tier: str
    reason: Said
    message: Said | None = None


class TierDownReport(TierFailureReport):
    """A tier that is left alone after a failure. since, retry_at: when it failed, when it is tried again."""

    since: Epoch | None = None
    retry_at: Epoch | None = None


class TierCheckReport(_Wire):
    """What a check of a tier found from within the driver's pod. reason, message: None when the tier works."""

    tier: str
    reason: Said | None = None
    message: Said | None = None
    time: Epoch | None = None


class ShuffleBatchReport(_Wire):
    """A micro-batch that went through the tiered shuffle.

    wanted_tier: of the allocation at its start; tier: the one that most of its bytes went to. raw_bytes: of its rows
    as Arrow; ratio: stored by raw, None without rows. write_seconds, read_seconds: summed over tasks. reread_bytes: of
    what was read, the part that was read more than once. attempts: 1 where no block was lost. seconds: from the start
    of its first exchange to the commit.
    """

    seq: Count
    time: Epoch | None = None
    query: str | None = None
    batch_id: Whole | None = None
    wanted_tier: Tier
    tier: Tier
    compression: Compression
    rows: Count | None = None
    blocks: Count | None = None
    raw_bytes: Count | None = None
    stored_bytes: Count | None = None
    ratio: Number | None = None
    read_bytes: Count | None = None
    reread_bytes: Count | None = None
    write_seconds: Number | None = None
    read_seconds: Number | None = None
    seconds: Number | None = None
    attempts: Count | None = None
    failures: tuple[TierFailureReport, ...] = ()


class ShuffleTotalsReport(_Wire):
    """Sums since the supervisor began, as in a batch. retried_batches: repetitions, of blocks that were lost."""

    batches: Count | None = None
    retried_batches: Count | None = None
    rows: Count | None = None
    blocks: Count | None = None
    raw_bytes: Count | None = None
    stored_bytes: Count | None = None
    read_bytes: Count | None = None
    reread_bytes: Count | None = None
    write_seconds: Number | None = None
    read_seconds: Number | None = None


class ShuffleTierReport(_Wire):
    """Sums of one tier. failures: batches in which it failed, by reason."""

    tier: Tier
    blocks: Count | None = None
    raw_bytes: Count | None = None
    stored_bytes: Count | None = None
    read_bytes: Count | None = None
    write_seconds: Number | None = None
    read_seconds: Number | None = None
    failures: dict[str, Count] = {}


class ShuffleReport(_Wire):
    """The tiered shuffle. batches: the newest ones. temperature: the probability that its data is read again."""

    batches: tuple[ShuffleBatchReport, ...] = ()
    totals: ShuffleTotalsReport = ShuffleTotalsReport()
    tiers: tuple[ShuffleTierReport, ...] = ()
    down: tuple[TierDownReport, ...] = ()
    temperature: Number | None = None


class DriverReport(_Wire):
    """One answer of a driver.

    incarnation: of its supervisor process; totals and seq begin anew with another. figures_at: when the executors'
    figures were read from Spark, None before the first time since its start. shuffle: None where the job's program does
    not use the tiered shuffle. tier_checks: empty until the stated tiers were checked.
    """

    time: Epoch
    incarnation: str
    state: DriverRunState
    message: Said | None = None
    spark_version: str | None = None
    application_id: str | None = None
    started_at: Epoch | None = None
    figures_at: Epoch | None = None
    queries: tuple[QueryReport, ...] = ()
    batches: tuple[BatchReport, ...] = ()
    totals: TotalsReport = TotalsReport()
    executors: ExecutorsReport = ExecutorsReport()
    memory_percent: Number | None = None
    startup_seconds: Number | None = None
    restart_cost_seconds: Number | None = None
    desired: WireAllocation | None = None
    applied: AppliedReport | None = None
    shuffle: ShuffleReport | None = None
    tier_checks: tuple[TierCheckReport, ...] = ()
    runtime: RuntimeReport | None = None

    @property
    def last_seq(self) -> int | None:
        """Number of the newest batch in it; None without one."""
        return max((batch.seq for batch in self.batches), default=None)
