"""Objectives that shift within a run: critical by day, cheap by night, as the clock says.

A job whose weights nobody pins leaves them to a meta-controller. Under objectives that never change, one choice of
weights serves every hour; where they change, no fixed one does. Who always weighs latency pays at night for attainment
that nobody asked for, who always saves breaks by day what was promised.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np

from sparkiot_policies.controller import Controller
from sparkiot_policies.history import History
from sparkiot_policies.job import Job
from sparkiot_policies.objectives import Weights
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.rules import rule

from .generators import DAY_S, HOUR_S
from .setting import Setting


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
    simulated = setting.simulated()
    asked = replace(setting.job, objectives=replace(setting.job.objectives, weights=weights))
    history = History(since=setting.start, allocation=asked.initial)
    controller = Controller(asked, policy=policy, fallback=rule("Rate"), meta=meta, history=history)
    met: dict[bool, list[bool]] = {True: [], False: []}
    chosen: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    latencies: list[float] = []
    for number in range(1, int(setting.duration_s // asked.interval_s) + 1):
        now = setting.start + number * asked.interval_s
        controller.job = shift.job(asked, now)
        simulated.advance(now)
        measurement = simulated.measure()
        evaluation, decision = controller.step(measurement, signal=simulated.signal(), now=now)
        controller.accept(evaluation, decision)
        simulated.apply(decision.allocation)
        day = shift.by_day(now)
        met[day] += [b.latency_ms <= asked.objectives.latency_target_ms for b in measurement.batches]
        chosen[day].append((decision.weights.cost, decision.weights.latency, decision.weights.throughput))
        latencies += [b.latency_ms for b in measurement.batches]
    return _result(met, chosen, latencies, simulated.cost_dollars, shift)


def _result(
    met: dict[bool, list[bool]],
    chosen: dict[bool, list[tuple[float, float, float]]],
    latencies: list[float],
    dollars: float,
    shift: Shift,
) -> ShiftingResult:
    share = {day: float(np.mean(found)) if found else float("nan") for day, found in met.items()}
    quantiles = {True: shift.day_quantile, False: shift.night_quantile}
    kept = sum(min(share[d] / quantiles[d], 1.0) * len(met[d]) for d in met if met[d]) / max(len(latencies), 1)
    return ShiftingResult(
        attainment_day=share[True],
        attainment_night=share[False],
        kept=kept,
        cost_dollars=dollars,
        mean_latency_ms=float(np.mean(latencies)) if latencies else float("nan"),
        weights_day=_mean(chosen[True]),
        weights_night=_mean(chosen[False]),
    )


def _mean(weights: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    if not weights:
        return (float("nan"),) * 3
    cost, latency, throughput = np.mean(weights, axis=0).tolist()
    return cost, latency, throughput
