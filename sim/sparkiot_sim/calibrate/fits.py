"""All constants that a set of measurements determines, and what it leaves open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sparkiot_policies.allocation import Compression, Tier

from .fit import (
    BatchFit,
    Estimate,
    FitError,
    fit_access,
    fit_batches,
    fit_compression,
    fit_lognormal,
    fit_mean,
    fit_spill,
)
from .records import BlockRecord, Measurements, SparkRecord

Fitted = TypeVar("Fitted")
Pair = tuple[Estimate, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """What was fitted; None or absent where nothing determines it, with the reason in ``open``.

    startup, restart: median in seconds and standard deviation of the logarithm. access: round trip in seconds and MB/s.
    compression: ratio, and MB/s there and back.
    """

    batch: BatchFit | None = None
    startup: Pair | None = None
    decommission: Estimate | None = None
    restart: Pair | None = None
    spill: Estimate | None = None
    killed_pressure: Estimate | None = None
    access: Mapping[Tier, Pair]
    compression: Mapping[Compression, Pair]
    open: tuple[str, ...]


def fit_all(measurements: Measurements, *, expansion: float) -> Fits:
    """Fit what can be fitted. expansion: of rows as objects over their raw size, which nothing here measures."""
    spark = measurements.spark or SparkRecord(version="")
    missing = [*measurements.skipped, *spark.failures]

    def attempt(what: str, fit: Callable[[], Fitted]) -> Fitted | None:
        try:
            return fit()
        except FitError as error:
            missing.append(f"{what}: {error}")
            return None

    fitted = [batch for recording in spark.recordings if recording.fitted for batch in recording.batches]
    # Whatever made a block small, how long it takes tells of the tier.
    access = {t.tier: attempt(f"tier {t.tier}", partial(fit_access, t.blocks)) for t in measurements.tiers}
    blocks: dict[Compression, list[BlockRecord]] = {}
    for block in (b for t in measurements.tiers for b in t.blocks if b.compression is not Compression.NONE):
        blocks.setdefault(block.compression, []).append(block)
    compression = {kind: fit_compression(of_kind) for kind, of_kind in blocks.items()}
    if measurements.spark is None:
        return Fits(access=_known(access), compression=compression, open=tuple(missing))
    # In this order, so that ``open`` is complete when it is read.
    batch = attempt("cost of a batch", partial(fit_batches, fitted))
    startup = attempt("executor start", partial(fit_lognormal, spark.startups))
    decommission = attempt("decommission", partial(fit_mean, spark.decommissions))
    restart = attempt("restart", partial(fit_lognormal, spark.restarts))
    spill = attempt("spill", partial(fit_spill, spark.spills))
    killed = attempt("out of memory", partial(_killed, spark, expansion))
    return Fits(
        batch=batch,
        startup=startup,
        decommission=decommission,
        restart=restart,
        spill=spill,
        killed_pressure=killed,
        access=_known(access),
        compression=compression,
        open=tuple(missing),
    )


def _killed(spark: SparkRecord, expansion: float) -> Estimate:
    """Half-way between the largest list that an executor survived and the one that killed it, over its memory.

    The model's working set is what rows take as objects, and a list of rows is held so.
    """
    if spark.killed_at_mib is None or spark.held_usable_mib is None:
        raise FitError("no working set killed an executor")
    survived = max(spark.held_mib, default=0.0)
    middle, half = (survived + spark.killed_at_mib) / 2, (spark.killed_at_mib - survived) / 2
    per_mib = expansion / spark.held_usable_mib
    return Estimate(middle * per_mib, half * per_mib)


def _known(found: Mapping[Tier, Pair | None]) -> dict[Tier, Pair]:
    return {tier: pair for tier, pair in found.items() if pair is not None}
