"""What a calibration measured, before anything is fitted: written beside the report, so that it can be fitted again."""

import datetime

from pydantic import BaseModel, ConfigDict

from sparkiot_policies.allocation import Compression, Tier

BUSY = 0.5
"""Load average of a core above which measured times are not those of an idle machine."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BatchRecord(_Record):
    """One micro-batch of the real job. Times in epoch seconds; executors: that had registered when it started."""

    start: float
    end: float
    rows: int
    executors: int

    @property
    def duration_s(self) -> float:
        return self.end - self.start


class Arrival(_Record):
    """Rows that appeared in the landing folder at once, at ``time``, epoch seconds."""

    time: float
    rows: int


class ExecutorCount(_Record):
    """Executors that are registered from ``time``, epoch seconds, on."""

    time: float
    count: int


class Recording(_Record):
    """A stretch of the real job's life that a simulator can play again.

    fitted: whether the constants were fitted to its batches; the others test them. memory_mib: of one executor.
    """

    name: str
    fitted: bool
    trigger_interval_s: float
    memory_mib: int
    executors: tuple[ExecutorCount, ...]
    arrivals: tuple[Arrival, ...]
    batches: tuple[BatchRecord, ...]


class PressureRecord(_Record):
    """A batch with a working set of a given size on one executor of memory_mib, of which usable_mib serve execution."""

    memory_mib: int
    working_set_mib: float
    usable_mib: float
    duration_s: float

    @property
    def pressure(self) -> float:
        return self.working_set_mib / self.usable_mib


class SparkRecord(_Record):
    """Everything that was measured on Spark. Durations in seconds; a tuple without entries was not measured.

    startups: from an executor's request to its registration. decommissions: until an executor's pod was gone.
    restarts: from the last batch before it to the end of the first one after it. spills: batches whose working set
    Spark can move to disk; spill_bytes: that it then moved. held_mib: working sets that it cannot move, up to the one,
    if any, that killed the executor, killed_at_mib. failures: parts that broke off, and why.
    """

    version: str
    recordings: tuple[Recording, ...] = ()
    startups: tuple[float, ...] = ()
    decommissions: tuple[float, ...] = ()
    restarts: tuple[float, ...] = ()
    spills: tuple[PressureRecord, ...] = ()
    spill_bytes: int = 0
    held_mib: tuple[float, ...] = ()
    held_usable_mib: float | None = None
    killed_at_mib: float | None = None
    failures: tuple[str, ...] = ()


class BlockRecord(_Record):
    """One block written to a tier and read again, times in seconds; sizes in MB, before and after compression."""

    compression: Compression
    raw_mb: float
    stored_mb: float
    compress_s: float
    write_s: float
    read_s: float
    decompress_s: float


class TierRecord(_Record):
    """A tier's blocks. server: what was measured, for the source of its constants."""

    tier: Tier
    server: str
    blocks: tuple[BlockRecord, ...]


class Measurements(_Record):
    """One calibration. cores: of the machine. load: load average of a core before and after;
    empty where the machine does not tell. skipped: what was left out, and why."""

    date: datetime.date
    cores: int
    load: tuple[float, ...] = ()
    spark: SparkRecord | None = None
    tiers: tuple[TierRecord, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def beside_others(self) -> bool:
        """Whether other work wanted most of a core already when the calibration began."""
        return bool(self.load) and self.load[0] > BUSY
