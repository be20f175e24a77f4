"""Objectives that shift within a run: critical by day, cheap by night, as the clock says.

A job whose weights nobody pins leaves them to a meta-controller. Under objectives that never change, one choice of
weights serves every hour; where they change, no fixed one does. Who always weighs latency pays at night for attainment
that nobody asked for, who always saves breaks by day what was promised.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

import numpy as np
import numpy.typing as npt

from sparkiot_policies.job import Job
from sparkiot_policies.objectives import Weights
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.rules import rule

from .episode import Cycle, run_episode
from .generators import DAY_S, HOUR_S
from .setting import Setting, with_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What is asked by day and by night. day: first and last hour, UTC; the rest is night. day_quantile,
    night_quantile: shares of batches that must be within the latency target."""

    day: tuple[float, float] = (7.0, 21.0)
    day_quantile: float = 0.99
    night_quantile: float = 0.80

    def by_day(self, now: float) -> bool:
        """Whether it is day at ``now``, epoch seconds."""
        return self.day[0] <= now % DAY_S / HOUR_S < self.day[1]

    def job(self, job: Job, now: float) -> Job:
        """The job with what is asked of it at ``now``, as an edit of its resource by the clock would make it."""
        quantile = self.day_quantile if self.by_day(now) else self.night_quantile
        return replace(job, objectives=replace(job.objectives, quantile=quantile))


@dataclass(frozen=True, slots=True)
class ShiftingResult:
    """What a run came to.

    attainment_day, attainment_night: shares of batches within the target, NaN without any. kept: of what was asked, the
    share that was kept: attainment over the quantile, at most 1, over all batches. cost_dollars: of the whole run.
    mean_latency_ms: over all batches. weights_day, weights_night: means of cost, latency and throughput.
    """

    attainment_day: float
    attainment_night: float
    kept: float
    cost_dollars: float
    mean_latency_ms: float
    weights_day: tuple[float, float, float]
    weights_night: tuple[float, float, float]

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def play_shifting(
    setting: Setting, policy: Policy, *, weights: Weights | None, meta: MetaController | None, shift: Shift = Shift()
) -> ShiftingResult:
    """Run a setting under shifting objectives, with Rate to fall back on.

    weights: a scenario's, fixed for the whole run; None leaves them to ``meta``.
    """
    episode = run_episode(
        job=with_weights(setting, weights).job,
        simulated=setting.simulated(),
        policy=policy,
        fallback=rule("Rate"),
        meta=meta,
        duration_s=setting.duration_s,
        start=setting.start,
        edit=shift.job,
    )
    halves: dict[bool, list[Cycle]] = {True: [], False: []}
    for cycle in episode.cycles:
        halves[shift.by_day(cycle.measurement.time)].append(cycle)
    day, night = (_latencies(halves[by_day]) for by_day in (True, False))
    target = setting.job.objectives.latency_target_ms
    met_day, met_night = (float(np.mean(found <= target)) if found.size else float("nan") for found in (day, night))
    parts = ((met_day, shift.day_quantile, day.size), (met_night, shift.night_quantile, night.size))
    kept = sum(min(met / quantile, 1.0) * size for met, quantile, size in parts if size)
    return ShiftingResult(
        attainment_day=met_day,
        attainment_night=met_night,
        kept=kept / max(day.size + night.size, 1),
        cost_dollars=episode.summary.cost_dollars,
        mean_latency_ms=episode.summary.latency_mean_ms,
        weights_day=_mean_weights(halves[True]),
        weights_night=_mean_weights(halves[False]),
    )


def _latencies(cycles: Sequence[Cycle]) -> npt.NDArray[np.float64]:
    """Of all their batches, ms."""
    return np.array([batch.latency_ms for cycle in cycles for batch in cycle.measurement.batches])


def _mean_weights(cycles: Sequence[Cycle]) -> tuple[float, float, float]:
    """NaN without a decision."""
    chosen = [cycle.decision.weights for cycle in cycles]
    cost, latency, throughput = (
        fmean(getattr(weights, part) for weights in chosen) if chosen else float("nan")
        for part in ("cost", "latency", "throughput")
    )
    return cost, latency, throughput
