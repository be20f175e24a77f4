"""Measurements made by hand, from constants that are known."""

import datetime
from collections.abc import Sequence

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_sim.calibrate.records import (
    Arrival,
    BatchRecord,
    BlockRecord,
    ExecutorCount,
    Measurements,
    PressureRecord,
    Recording,
    SparkRecord,
    TierRecord,
)

DATE = datetime.date(2026, 1, 2)
FIXED_S, ROW_S, EXPONENT = 2.0, 0.02, 0.8
START = 1_000_000.0
"""A multiple of the trigger interval, as Spark counts them from the epoch."""


def duration(rows: int, executors: int) -> float:
    return FIXED_S + rows * ROW_S / executors**EXPONENT


def single_batches(
    executors: Sequence[int] = (1, 2, 4), rows: Sequence[int] = (10, 100, 400), *, repeats: int = 2
) -> Recording:
    """Files that each make a batch of their own: one every minute, at a trigger."""
    sizes = [(n, r) for n in executors for r in (*rows,) * repeats]
    times = [START + 60 * i for i in range(1, len(sizes) + 1)]
    batches = [
        BatchRecord(start=t, end=t + duration(r, n), rows=r, executors=n)
        for t, (n, r) in zip(times, sizes, strict=True)
    ]
    return Recording(
        name="single batches",
        fitted=True,
        trigger_interval_s=1.0,
        memory_mib=1024,
        executors=tuple(ExecutorCount(time=t - 30, count=n) for t, (n, _) in zip(times, sizes, strict=True)),
        arrivals=tuple(Arrival(time=t - 0.5, rows=r) for t, (_, r) in zip(times, sizes, strict=True)),
        batches=tuple(batches),
    )


def pressure(working_set_mib: float, duration_s: float) -> PressureRecord:
    return PressureRecord(memory_mib=1024, working_set_mib=working_set_mib, usable_mib=200, duration_s=duration_s)


def spark() -> SparkRecord:
    # 1 s and 10 ms for each MiB, which become 12.5 ms at 1.5 times the memory and 15 ms at twice: a slowdown of 0.5.
    sorts = [pressure(mib, 1 + 0.01 * mib) for mib in (50, 100, 150)] + [pressure(300, 4.75), pressure(400, 7)]
    return SparkRecord(
        version="3.5.9",
        recordings=(single_batches(),),
        startups=(4.0, 5.0, 6.25),
        decommissions=(2.0, 4.0),
        restarts=(20.0, 45.0),
        spills=tuple(sorts),
        spill_bytes=10_000_000,
        held_mib=(100.0, 200.0),
        held_usable_mib=200.0,
        killed_at_mib=300.0,
    )


def tier(of: Tier = Tier.HOT) -> TierRecord:
    """1 ms a round trip and 100 MB/s; LZ4 to a half at 400 MB/s both ways together, ZSTD to a quarter at 200."""
    blocks = []
    for kind, ratio, rate in ((Compression.NONE, 1, 1e6), (Compression.LZ4, 0.5, 400), (Compression.ZSTD, 0.25, 200)):
        for raw in (0.05, 4.0, 16.0):
            taken, work = 0.001 + raw * ratio / 100, raw / rate / 2
            blocks.append(
                BlockRecord(
                    compression=kind,
                    raw_mb=raw,
                    stored_mb=raw * ratio,
                    compress_s=work,
                    write_s=1.5 * taken,
                    read_s=0.5 * taken,
                    decompress_s=work,
                )
            )
    return TierRecord(tier=of, server="a server made by hand", blocks=tuple(blocks))


def measurements(*, with_spark: bool = True) -> Measurements:
    return Measurements(
        date=DATE,
        cores=2,
        load=(1.5, 3.0),
        spark=spark() if with_spark else None,
        tiers=(tier(),),
        skipped=("tier Cold: no server was named",),
    )
