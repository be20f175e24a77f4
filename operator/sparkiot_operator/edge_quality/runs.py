"""A predictor beside a load, as a gateway would run it: counted messages in, a prediction each interval out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sparkiot_edge.predictors.base import Predictor, Timing
from sparkiot_sim.signals import Burst, find_bursts
from sparkiot_sim.workload import Workload

Array: TypeAlias = npt.NDArray[np.float64]
PEAK_S = 10.0
"""The rate that is to be predicted is the highest mean over so many seconds, which is what a decision can act on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """times: epoch seconds of each prediction. measured, expected, peak: messages/s at that time, as predicted for the
    horizon, and as it came to be. probability: of a burst. alarm, true: announced, and whether load was in a burst
    within the horizon. bursts: of the load, none before the first prediction."""

    timing: Timing
    times: Array
    measured: Array
    expected: Array
    probability: Array
    alarm: npt.NDArray[np.bool_]
    peak: Array
    true: npt.NDArray[np.bool_]
    bursts: tuple[Burst, ...]


def run(predictor: Predictor, workload: Workload, timing: Timing, *, seed: int) -> Run:
    """seed: of the counts' scatter (Poisson: devices do not wait for each other)."""
    times, rates = measure(workload, timing, seed=seed)
    found = [predictor.observe(rate, now=now) for rate, now in zip(rates.tolist(), times.tolist(), strict=True)]
    first = next((i for i, prediction in enumerate(found) if prediction is not None), len(found))
    known = [prediction for prediction in found[first:] if prediction is not None]
    if len(known) < 2:
        raise ValueError(f"{workload.name}: too short for a prediction every {timing.interval_s:g} s")
    bursts = tuple(b for b in merged_bursts(workload, timing.horizon_s) if b.start > times[first])
    return Run(
        timing=timing,
        times=times[first:],
        measured=rates[first:],
        expected=np.array([p.rate for p in known]),
        probability=np.array([p.probability for p in known]),
        alarm=np.array([p.alarm for p in known]),
        peak=peaks(workload, times[first:], timing),
        true=overlaps(merged_bursts(workload, timing.horizon_s), times[first:], timing.horizon_s),
        bursts=bursts,
    )


def measure(workload: Workload, timing: Timing, *, seed: int) -> tuple[Array, Array]:
    """Ends of the intervals of one cycle, epoch seconds, and the counted messages/s in each."""
    count = int(workload.duration_s // timing.interval_s)
    times = workload.start + timing.interval_s * np.arange(1, count + 1)
    arrivals = np.diff(cumulative(workload)(np.append(workload.start, times)))
    counts = np.random.default_rng(seed).poisson(np.maximum(arrivals, 0.0)).astype(np.float64)
    return np.asarray(times, dtype=np.float64), counts / timing.interval_s


def peaks(workload: Workload, times: Array, timing: Timing) -> Array:
    """The highest rate within the horizon after each time, messages/s; after the load's end its last value stays."""
    window = max(PEAK_S, timing.interval_s)
    sums = cumulative(workload)
    offsets = np.arange(0.0, max(timing.horizon_s - window, 0.0) + 1e-9, window / 2)
    highest = np.zeros_like(times)
    for offset in offsets:
        begin = times + offset
        highest = np.maximum(highest, (sums(begin + window) - sums(begin)) / window)
    return highest


def merged_bursts(workload: Workload, horizon_s: float) -> tuple[Burst, ...]:
    """Bursts, with those that follow within a horizon as one: who warned of the first need not warn again."""
    merged: list[Burst] = []
    for burst in find_bursts(workload):
        if merged and burst.start - merged[-1].end <= horizon_s:
            merged[-1] = Burst(merged[-1].start, burst.end)
        else:
            merged.append(burst)
    return tuple(merged)


def overlaps(bursts: tuple[Burst, ...], times: Array, horizon_s: float) -> npt.NDArray[np.bool_]:
    """Whether load is in a burst at some time in (time, time + horizon]."""
    found = np.zeros(times.shape, dtype=bool)
    for burst in bursts:
        found |= (burst.start <= times + horizon_s) & (burst.end > times)
    return found


def cumulative(workload: Workload) -> Callable[[Array], Array]:
    """Messages since the load's start, at any times; after its end at its last rate."""
    edges = np.append(workload.times, workload.end)
    sums = np.append(0.0, np.cumsum(workload.rates * np.diff(edges)))
    last = float(workload.rates[-1])

    def at(times: Array) -> Array:
        beyond = np.maximum(times - workload.end, 0.0)
        found: Array = np.interp(times, edges, sums) + last * beyond
        return found

    return at
