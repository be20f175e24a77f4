"""Fits recover the constants that measurements were made from, say how sure they are, and refuse what tells nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_calibrate import EXPONENT, FIXED_S, ROW_S, measurements, pressure, single_batches, spark, tier

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_sim.calibrate.fit import (
    FitError,
    fit_access,
    fit_batches,
    fit_compression,
    fit_line,
    fit_lognormal,
    fit_mean,
    fit_spill,
)
from sparkiot_sim.calibrate.fits import fit_all
from sparkiot_sim.calibrate.records import BatchRecord, SparkRecord


def batches(fixed: float, row: float, exponent: float, *, noise: float = 0.0) -> list[BatchRecord]:
    rng = np.random.default_rng(3)
    sizes = [(n, r) for n in (1, 2, 4) for r in (10, 100, 1000) for _ in range(6)]
    took = [(fixed + r * row / n**exponent) * (1 + noise * rng.standard_normal()) for n, r in sizes]
    return [BatchRecord(start=0, end=d, rows=r, executors=n) for d, (n, r) in zip(took, sizes, strict=True)]


@given(fixed=st.floats(0.05, 20), row=st.floats(1e-3, 0.5), exponent=st.floats(0.1, 1.0))
def test_the_cost_of_a_batch_is_recovered(fixed: float, row: float, exponent: float) -> None:
    fit = fit_batches(batches(fixed, row, exponent))
    assert fit.exponent.value == pytest.approx(exponent, abs=0.006)
    assert fit.row_s.value == pytest.approx(row, rel=0.02)
    assert fit.fixed_s.value == pytest.approx(fixed, rel=0.03, abs=0.02 * row * 1000)


def test_the_spread_of_noisy_batches_covers_the_truth_and_is_not_boundless() -> None:
    fit = fit_batches(batches(2.0, 0.02, 0.8, noise=0.1))
    for estimate, truth in ((fit.fixed_s, 2.0), (fit.row_s, 0.02), (fit.exponent, 0.8)):
        assert estimate.spread is not None
        assert abs(estimate.value - truth) < 3 * estimate.spread < truth


def test_a_batch_that_was_held_up_does_not_lose_its_weight() -> None:
    """One batch of three in each place takes twice as long: the mean is a third above, and a fit that gave long
    measurements less weight for being long would stay below it."""
    slow = [b for r in (100, 200) for n in (1, 2) for b in held_up(r, n)]
    fit = fit_batches(slow)
    assert fit.fixed_s.value == pytest.approx(4 / 3)
    assert fit.row_s.value == pytest.approx(4 / 3 * 0.01)


def held_up(rows: int, executors: int) -> list[BatchRecord]:
    took = 1 + rows * 0.01 / executors
    return [BatchRecord(start=0, end=factor * took, rows=rows, executors=executors) for factor in (1, 1, 2)]


@pytest.mark.parametrize(
    "useless",
    [[], batches(1, 1, 1)[:3], single_batches((2,)).batches, single_batches(rows=(100,)).batches],
    ids=["none", "three", "one number of executors", "one size"],
)
def test_batches_that_determine_nothing_are_refused(useless: list[BatchRecord]) -> None:
    with pytest.raises(FitError, match="at least four batches"):
        fit_batches(useless)


def test_neither_offset_nor_slope_is_negative() -> None:
    offset, slope = fit_line([1, 2, 3], [1, 3, 5])
    # The free line is y = 2x - 1; through the origin, relative to y, it is (1 + 2/3 + 3/5) / (1 + 4/9 + 9/25).
    assert offset.value == 0
    assert slope.value == pytest.approx((1 + 2 / 3 + 3 / 5) / (1 + 4 / 9 + 9 / 25))
    offset, slope = fit_line([1, 2, 3], [3, 2, 1])
    assert slope.value == 0
    with pytest.raises(FitError, match="three points"):
        fit_line([1, 1, 1], [1, 2, 3])


def test_mean_and_lognormal_by_hand() -> None:
    assert fit_mean([2.0, 4.0]).value == 3.0
    assert fit_mean([2.0, 4.0]).spread == pytest.approx(1.0)  # sqrt(2) / sqrt(2)
    assert fit_mean([2.0]).spread is None
    median, deviation = fit_lognormal([4.0, 5.0, 6.25])  # logarithms a step of ln 1.25 apart
    assert median.value == pytest.approx(5.0)
    assert deviation.value == pytest.approx(np.log(1.25))
    assert median.spread == pytest.approx(5 * np.log(1.25) / np.sqrt(3))
    with pytest.raises(FitError, match="at least two"):
        fit_lognormal([1.0])


def test_spill_counts_on_the_work_beyond_the_fixed_cost() -> None:
    assert fit_spill(spark().spills).value == pytest.approx(0.5)
    with pytest.raises(FitError, match="no working set exceeded"):
        fit_spill([pressure(mib, 1.0) for mib in (50, 100, 150)])
    flat = [(50, 1.0), (50, 1.2), (100, 1.1), (100, 1.0), (150, 1.0), (150, 1.2), (400, 3.0)]
    with pytest.raises(FitError, match="no longer the larger they were"):
        fit_spill([pressure(mib, duration) for mib, duration in flat])


def test_a_tier_is_the_mean_of_writing_and_reading_and_compression_of_both_ways() -> None:
    access, bandwidth = fit_access(tier().blocks)
    assert access.value == pytest.approx(0.001)
    assert bandwidth.value == pytest.approx(100)
    ratio, throughput = fit_compression([b for b in tier().blocks if b.compression is Compression.ZSTD])
    assert (ratio.value, throughput.value) == (pytest.approx(0.25), pytest.approx(200))
    with pytest.raises(FitError):
        fit_access([b for b in tier().blocks if b.stored_mb == 4.0])


def test_all_that_is_determined_is_fitted_and_the_rest_is_named() -> None:
    fits = fit_all(measurements(), expansion=3.0)
    assert fits.batch is not None
    assert fits.batch.fixed_s.value == pytest.approx(FIXED_S)
    assert fits.batch.row_s.value == pytest.approx(ROW_S)
    assert fits.batch.exponent.value == pytest.approx(EXPONENT)
    assert fits.startup is not None
    assert fits.restart is not None
    assert fits.restart[0].value == pytest.approx(30.0)  # the geometric mean of 20 and 45
    assert fits.killed_pressure is not None
    assert (fits.killed_pressure.value, fits.killed_pressure.spread) == (3.75, 0.75)  # 250 ± 50 MiB · 3 / 200
    assert set(fits.access) == {Tier.HOT}
    assert set(fits.compression) == {Compression.LZ4, Compression.ZSTD}
    assert fits.open == ("tier Cold: no server was named",)


def test_what_was_not_measured_is_open_and_not_guessed() -> None:
    bare = measurements().model_copy(update={"spark": SparkRecord(version="3.5.9"), "tiers": (), "skipped": ()})
    fits = fit_all(bare, expansion=3.0)
    assert (fits.batch, fits.startup, fits.restart, fits.spill, fits.killed_pressure) == (None,) * 5
    assert [line.split(":")[0] for line in fits.open] == [
        "cost of a batch",
        "executor start",
        "decommission",
        "restart",
        "spill",
        "out of memory",
    ]
