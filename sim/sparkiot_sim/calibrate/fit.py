"""Constants from measurements, by least squares, each with its standard error.

Errors count in relation to the median of measurements under the same conditions: long batches do not decide alone, and
a measurement that something else held up does not get less weight for the time that it took.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .records import BatchRecord, BlockRecord, PressureRecord

Array = npt.NDArray[np.float64]

EXPONENTS = np.linspace(0.05, 1.0, 191)
"""Candidates of the scaling exponent. Above 1 more executors would do more than their share."""


class FitError(ValueError):
    """The measurements do not determine the constants; says which are missing."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A fitted value. spread: its standard error, in the same unit; None where too few measurements tell."""

    value: float
    spread: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFit:
    """duration = fixed_s + rows * row_s / executors ** exponent."""

    fixed_s: Estimate
    row_s: Estimate
    exponent: Estimate


def fit_batches(batches: Sequence[BatchRecord]) -> BatchFit:
    """Fit the cost of a batch.

    Raises FitError for fewer than four batches, or when all had as many rows or ran on as many executors.
    """
    rows = np.array([b.rows for b in batches], dtype=np.float64)
    executors = np.array([b.executors for b in batches], dtype=np.float64)
    duration = np.array([b.duration_s for b in batches])
    if len(batches) < 4 or len(set(rows)) < 2 or len(set(executors)) < 2:
        raise FitError("at least four batches of different sizes on different numbers of executors are needed")
    weight = 1 / _typical([(b.rows, b.executors) for b in batches], duration)
    fits = [_linear(np.stack((np.ones_like(rows), rows / executors**e)), duration, weight) for e in EXPONENTS]
    best = int(np.argmin([residual for _, residual in fits]))
    (fixed, row), residual = fits[best]
    exponent = float(EXPONENTS[best])
    slope = -row * rows * np.log(executors) / executors**exponent
    jacobian = np.stack((np.ones_like(rows), rows / executors**exponent, slope)) * weight
    spreads = _spreads(jacobian, residual)
    return BatchFit(
        fixed_s=Estimate(float(fixed), spreads[0]),
        row_s=Estimate(float(row), spreads[1]),
        exponent=Estimate(exponent, spreads[2]),
    )


def fit_line(x: Sequence[float], y: Sequence[float]) -> tuple[Estimate, Estimate]:
    """Offset and slope, neither negative, of the line through points.

    Raises FitError for fewer than three points, or points at one x.
    """
    if len(x) < 3 or len(set(x)) < 2:
        raise FitError("at least three points at two different places are needed")
    at, value = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    design, weight = np.stack((np.ones_like(at), at)), 1 / _typical(x, value)
    (offset, slope), residual = _linear(design, value, weight)
    spreads = _spreads(design * weight, residual)
    return Estimate(float(offset), spreads[0]), Estimate(float(slope), spreads[1])


def fit_mean(values: Sequence[float]) -> Estimate:
    """The mean and its standard error. Raises FitError without values."""
    if not values:
        raise FitError("nothing was measured")
    spread = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return Estimate(float(np.mean(values)), spread)


def fit_lognormal(values: Sequence[float]) -> tuple[Estimate, Estimate]:
    """Median of times that spread lognormally, and the standard deviation of their logarithm.

    Raises FitError for fewer than two values.
    """
    if len(values) < 2:
        raise FitError("a spread needs at least two values")
    logarithms = np.log(np.asarray(values, dtype=np.float64))
    deviation = float(np.std(logarithms, ddof=1))
    median = float(np.exp(np.mean(logarithms)))
    count = len(values)
    return (
        Estimate(median, median * deviation / float(np.sqrt(count))),
        Estimate(deviation, deviation / float(np.sqrt(2 * (count - 1)))),
    )


def fit_spill(records: Sequence[PressureRecord]) -> Estimate:
    """Extra batch time, as a share of what the batch would take, for each working set beyond memory.

    What it would take is the line through the batches that fit into memory. Raises FitError without batches on both
    sides, and where that line does not rise for sure: a share of nothing is not a number.
    """
    within = [r for r in records if r.pressure <= 1]
    beyond = [r for r in records if r.pressure > 1]
    if not beyond:
        raise FitError("no working set exceeded the memory")
    offset, slope = fit_line([r.working_set_mib for r in within], [r.duration_s for r in within])
    if slope.spread is not None and slope.value < 2 * slope.spread:
        raise FitError("batches within memory took no longer the larger they were, so that nothing can be slowed down")
    # The fixed cost of a batch does not slow down, only the work on its rows.
    work = np.array([slope.value * r.working_set_mib for r in beyond])
    extra = np.array([r.duration_s - offset.value for r in beyond]) / work - 1
    excess = np.array([r.pressure - 1 for r in beyond])
    (value,), residual = _linear(excess[None], extra, np.ones_like(excess))
    return Estimate(float(value), _spreads(excess[None], residual)[0])


def fit_access(blocks: Sequence[BlockRecord]) -> tuple[Estimate, Estimate]:
    """A tier's round trip in seconds and the bandwidth of one stream in MB/s: the mean of writing and reading.

    Raises FitError when blocks of one size only were measured.
    """
    access, per_mb = fit_line([b.stored_mb for b in blocks], [(b.write_s + b.read_s) / 2 for b in blocks])
    if per_mb.value <= 0:
        raise FitError("larger blocks took no longer than small ones: measure larger ones")
    bandwidth = 1 / per_mb.value
    spread = None if per_mb.spread is None else per_mb.spread * bandwidth**2
    return access, Estimate(bandwidth, spread)


def fit_compression(blocks: Sequence[BlockRecord]) -> tuple[Estimate, Estimate]:
    """Compressed over raw size, and MB/s of raw data there and back on one core. Raises FitError without blocks."""
    ratio = fit_mean([b.stored_mb / b.raw_mb for b in blocks])
    return ratio, fit_mean([b.raw_mb / (b.compress_s + b.decompress_s) for b in blocks])


def _typical(conditions: Sequence[Hashable], values: Array) -> Array:
    """For each value, the median of those that were measured under the same conditions."""
    groups: dict[Hashable, list[float]] = {}
    for condition, value in zip(conditions, values.tolist(), strict=True):
        groups.setdefault(condition, []).append(value)
    medians = {condition: float(np.median(group)) for condition, group in groups.items()}
    return np.array([medians[condition] for condition in conditions])


def _linear(design: Array, value: Array, weight: Array) -> tuple[Array, float]:
    """Coefficients, none negative, of weighted least squares, and the sum of squared residuals.

    design: shape (coefficients, measurements). With at most two coefficients, the best that are not negative are either
    the free optimum or lie on the edge where one of them is zero.
    """
    weighted, target = design * weight, value * weight
    solution: Array = np.linalg.lstsq(weighted.T, target, rcond=None)[0].astype(np.float64)
    candidates: list[Array] = (
        [solution] if (solution >= 0).all() else [_only(weighted, target, i) for i in range(len(design))]
    )
    residuals = [float(np.sum((weighted.T @ c - target) ** 2)) for c in candidates]
    best = int(np.argmin(residuals))
    return candidates[best], residuals[best]


def _only(weighted: Array, target: Array, index: int) -> Array:
    """All coefficients zero but one."""
    row = weighted[index]
    found = np.zeros(len(weighted))
    found[index] = max(float(row @ target) / float(row @ row), 0.0)
    return found


def _spreads(jacobian: Array, residual: float) -> list[float | None]:
    """Standard errors from the Jacobian of weighted residuals, shape (coefficients, measurements)."""
    coefficients, measurements = jacobian.shape
    free = measurements - coefficients
    if free < 1 or np.linalg.matrix_rank(jacobian) < coefficients:
        return [None] * coefficients
    covariance = np.linalg.inv(jacobian @ jacobian.T) * residual / free
    return [float(s) for s in np.sqrt(np.diag(covariance))]
