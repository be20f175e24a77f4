"""What an edge gateway announces about a load, with the mistakes that real ones make.

A burst begins where the rate exceeds BURST_RATIO times the mean of the trailing TRAILING_S seconds, and ends where it
falls back below that threshold, or after LONGEST_BURST_S: what stays is the new level. A burst is announced, missed
or invented as a whole, as a gateway would do it, and not flickering from one signal to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sparkiot_policies.measurement import EdgeSignal

from .workload import Workload

BURST_RATIO = 1.5
TRAILING_S = 600.0
LONGEST_BURST_S = 1800.0
INVENTED_FACTOR = (1.5, 3.0)
"""An invented burst's height in multiples of the rate at its time."""
NOISE_SAMPLES = 4093
"""Signals reuse this many drawn errors; a prime, so that no period of the load meets the same errors again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalQuality:
    """How good an edge is.

    recall: share of bursts that it announces. false_alarms: share of its alarms that no burst follows.
    rate_error: standard deviation of the predicted rate, relative.
    Raises ValueError where one is outside [0, 1]; false_alarms must stay below 1.
    """

    recall: float
    false_alarms: float
    rate_error: float

    def __post_init__(self) -> None:
        if not (0 <= self.recall <= 1 and 0 <= self.false_alarms < 1 and 0 <= self.rate_error <= 1):
            raise ValueError(f"{self}: shares must lie in [0, 1], and not every alarm can be false")


QUALITIES: Mapping[str, SignalQuality | None] = {
    "perfect": SignalQuality(recall=1.0, false_alarms=0.0, rate_error=0.0),
    "measured": SignalQuality(recall=0.8, false_alarms=0.2, rate_error=0.1),
    "gateway": SignalQuality(recall=0.38, false_alarms=0.19, rate_error=0.08),
    "poor": SignalQuality(recall=0.5, false_alarms=0.5, rate_error=0.2),
    "none": None,
}
"""Presets. ``measured`` is what policies are trained and scored with; it was assumed. ``gateway`` is what `sparkiot
edge-evaluate` measured of the gateway's default predictor on generated days; it is kind in one respect: an alarm counts
that stood when the burst began, and here each comes a whole lead before. ``none`` is a job without an edge: it has no
signals rather than signals that say nothing."""


@dataclass(frozen=True, slots=True)
class Burst:
    """A stretch of unusual load, epoch seconds; ``factor`` is the height of an invented one, None of a real one."""

    start: float
    end: float
    factor: float | None = None


@lru_cache(maxsize=64)
def _noise(seed: int) -> npt.NDArray[np.float64]:
    """Errors of predicted rates, standard normal: one table for all jobs of a seed, as hundreds may have one."""
    return np.random.default_rng([seed, 0]).standard_normal(NOISE_SAMPLES)


class Edge(Protocol):
    """What announces a job's load."""

    def signal_at(self, now: float) -> EdgeSignal | None:
        """The newest signal at ``now``, epoch seconds; None while there is none."""
        ...


class EdgeModel:
    """The edge of one job. What it says at a time depends on the workload, the seed and that time alone.

    lead_s: how far ahead it looks. interval_s: time between two signals; one stands until the next.
    """

    def __init__(
        self, workload: Workload, quality: SignalQuality, *, seed: int, lead_s: float, interval_s: float = 10.0
    ) -> None:
        if lead_s <= 0 or interval_s <= 0:
            raise ValueError(f"lead_s {lead_s:g} and interval_s {interval_s:g} must be positive")
        self._workload = workload
        self._quality = quality
        self._seed = seed
        self._lead_s = lead_s
        self._interval_s = interval_s
        self.bursts = find_bursts(workload)
        self._noise = _noise(seed)
        share = sum(b.end - b.start for b in self.bursts) / workload.duration_s
        self._missed_probability = (1 - quality.recall) * share
        self._cycle = lru_cache(maxsize=2)(self._draw_cycle)

    def signal_at(self, now: float) -> EdgeSignal:
        """The last signal sent at or before ``now``, epoch seconds."""
        index = int(now // self._interval_s)
        time = index * self._interval_s
        until = time + self._lead_s
        rate = self._workload.rate_at(time)
        announced, missed = self._ahead(time, until)
        if announced is None:
            # An edge that misses a burst believes that the rate stays as it is.
            expected = rate if missed else self._workload.peak(time, until)
        else:
            expected = rate * announced.factor if announced.factor else self._workload.peak(time, until)
        error = 1 + self._quality.rate_error * float(self._noise[index % NOISE_SAMPLES])
        alarm = announced is not None
        return EdgeSignal(
            time=time,
            horizon_s=self._lead_s,
            predicted_rate=max(expected * error, 0.0),
            probability=1 - self._quality.false_alarms if alarm else self._missed_probability,
            alarm=alarm,
        )

    def _ahead(self, time: float, until: float) -> tuple[Burst | None, bool]:
        """The announced burst that overlaps (time, until], and whether a missed one begins in it."""
        workload = self._workload
        first = int((time - workload.start) // workload.duration_s)
        last = int((until - workload.start) // workload.duration_s)
        missed = False
        for cycle in range(first, last + 1):
            shift = cycle * workload.duration_s
            alarms, unseen = self._cycle(cycle)
            for burst in alarms:
                if burst.start + shift <= until and burst.end + shift > time:
                    return burst, False
            missed = missed or any(time < b.start + shift <= until for b in unseen)
        return None, missed

    def _draw_cycle(self, cycle: int) -> tuple[tuple[Burst, ...], tuple[Burst, ...]]:
        """Alarms and missed bursts of one repetition of the load, in times of its first."""
        rng = np.random.default_rng([self._seed, 1, cycle % 2**32])
        heard = rng.random(len(self.bursts)) < self._quality.recall
        alarms = [b for b, hit in zip(self.bursts, heard, strict=True) if hit]
        missed = tuple(b for b, hit in zip(self.bursts, heard, strict=True) if not hit)
        invented = len(alarms) * self._quality.false_alarms / (1 - self._quality.false_alarms)
        for _ in range(int(invented) + (rng.random() < invented % 1)):
            alarms.extend(self._invent(rng))
        return tuple(alarms), missed

    def _invent(self, rng: np.random.Generator) -> list[Burst]:
        """A false alarm away from real bursts, or none when tries run out. It stands until the edge sees its error."""
        workload = self._workload
        for _ in range(100):
            start = rng.uniform(workload.start, workload.end)
            if all(start + self._lead_s < b.start - self._lead_s or start > b.end for b in self.bursts):
                # It is announced lead_s before its start, and at the start nothing comes.
                return [Burst(start, start, rng.uniform(*INVENTED_FACTOR))]
        return []


def edge_model(workload: Workload, quality: str, *, seed: int, lead_s: float) -> EdgeModel | None:
    """The edge of a named quality; None for ``none``. Raises KeyError for an unknown name."""
    chosen = QUALITIES[quality]
    return EdgeModel(workload, chosen, seed=seed, lead_s=lead_s) if chosen else None


def find_bursts(workload: Workload) -> tuple[Burst, ...]:
    """The bursts of one cycle, in order; the trailing level wraps around as the load does."""
    window = max(TRAILING_S, 3 * workload.step_s)
    found: list[Burst] = []
    begun: tuple[float, float] | None = None
    for time, rate in zip(workload.times.tolist(), workload.rates.tolist(), strict=True):
        if begun and (rate <= begun[1] or time - begun[0] >= LONGEST_BURST_S):
            found.append(Burst(begun[0], time))
            begun = None
            continue
        threshold = BURST_RATIO * workload.arrivals(time - window, time) / window
        if begun is None and rate > threshold:
            begun = (time, threshold)
    if begun:
        found.append(Burst(begun[0], workload.end))
    return tuple(found)
