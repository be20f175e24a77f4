"""What a run's predictions were worth: lead time, recall, precision, calibration, error of the rate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .runs import Array, Run

BINS = 10
"""Of probability, for calibration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """bursts, alarms: their numbers; alarms closer than a horizon are one. announced: share of bursts for which an
    alarm stood when they began. caught: the same, or raised within a horizon after. precision: share of alarms that
    rose at most a horizon before a burst or in it. false_alarms: 1 - precision. lead_s: median time from alarm to burst
    of those caught, negative where the alarm came later. brier: mean squared error of the probability, and of a
    constant one (brier_base). calibration: mean distance of probability and frequency over bins. rate_error: root mean
    square of the relative error of the rate, and of the rate staying as it is (rate_error_base). None: nothing to
    judge by."""

    bursts: int
    alarms: int
    announced: float | None
    caught: float | None
    precision: float | None
    lead_s: float | None
    brier: float
    brier_base: float
    calibration: float
    rate_error: float | None
    rate_error_base: float | None

    @property
    def false_alarms(self) -> float | None:
        return None if self.precision is None else 1 - self.precision

    @property
    def f1(self) -> float | None:
        """Harmonic mean of announced and precision."""
        if not self.announced or not self.precision:
            return None if self.announced is None and self.precision is None else 0.0
        return 2 * self.announced * self.precision / (self.announced + self.precision)


def score(runs: Sequence[Run]) -> Scores:
    """Over all runs together. Raises ValueError for none."""
    if not runs:
        raise ValueError("no run to score")
    bursts = alarms = announced = caught = good = 0
    leads: list[float] = []
    for one in runs:
        risen = alarm_times(one)
        bursts += len(one.bursts)
        alarms += len(risen)
        good += sum(bool(one.true[np.searchsorted(one.times, start)]) for start, _ in risen)
        for lead in burst_leads(one):
            announced += lead >= 0
            caught += lead >= -one.timing.horizon_s
            if lead >= -one.timing.horizon_s:
                leads.append(lead)
    probability = np.concatenate([one.probability for one in runs])
    true = np.concatenate([one.true for one in runs]).astype(float)
    return Scores(
        bursts=bursts,
        alarms=alarms,
        announced=announced / bursts if bursts else None,
        caught=caught / bursts if bursts else None,
        precision=good / alarms if alarms else None,
        lead_s=float(np.median(leads)) if leads else None,
        brier=float(np.mean((probability - true) ** 2)),
        brier_base=float(true.mean() * (1 - true.mean())),
        calibration=_calibration(probability, true),
        rate_error=_rate_error(runs, "expected"),
        rate_error_base=_rate_error(runs, "measured"),
    )


def alarm_times(one: Run) -> list[tuple[float, float]]:
    """Begin and end of each alarm, epoch seconds; those closer than a horizon are one."""
    found: list[tuple[float, float]] = []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], one.alarm, [False])).astype(int)))
    for first, last in edges.reshape(-1, 2):
        begin, end = float(one.times[first]), float(one.times[last - 1])
        if found and begin - found[-1][1] <= one.timing.horizon_s:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def burst_leads(one: Run) -> list[float]:
    """Of each burst, seconds from its alarm to its beginning, at most a horizon; minus infinity where none came."""
    leads = []
    alarms = alarm_times(one)
    horizon = one.timing.horizon_s
    for burst in one.bursts:
        lead = -math.inf
        for begin, end in alarms:
            if begin < burst.end and end + horizon >= burst.start:
                lead = min(burst.start - begin, horizon)
                break
        leads.append(lead)
    return leads


def reliability(probability: Array, true: npt.NDArray[np.bool_] | Array) -> list[tuple[float, float, float]]:
    """Of each bin that holds anything: mean probability, frequency, share of all."""
    index = np.minimum((probability * BINS).astype(int), BINS - 1)
    return [
        (float(probability[chosen].mean()), float(true[chosen].mean()), float(chosen.mean()))
        for each in range(BINS)
        if (chosen := index == each).any()
    ]


def _calibration(probability: Array, true: npt.NDArray[np.bool_] | Array) -> float:
    return sum(share * abs(said - came) for said, came, share in reliability(probability, true))


def _rate_error(runs: Sequence[Run], of: str) -> float | None:
    said = np.concatenate([getattr(one, of) for one in runs])
    came = np.concatenate([one.peak for one in runs])
    known = came > 0
    return float(np.sqrt(np.mean((said[known] / came[known] - 1) ** 2))) if known.any() else None
