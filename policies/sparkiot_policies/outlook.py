"""What observation version 3 adds: how many executors the load needs, now and ahead, and what stands in the way.

All of it is in executors, ratios or seconds, so that it means the same for any job, and all of it can be measured on a
live one.
"""

from collections.abc import Mapping, Sequence

from .batch_cost import Cost
from .forecast import KEEP_S, MOST_NOISE, Forecast, forecast, noise
from .history import History
from .job import Job
from .measurement import Batch, EdgeSignal, Measurement
from .sizing import Pace, required

CATCH_UP_S = 120.0
"""In which a backlog is to be worked off beside the load: every batch is late until it is done."""
LEAST_BUSY = 0.05
"""Executors: of a load that keeps fewer busy, nothing can be said about a full one."""


def outlook(
    job: Job,
    history: History,
    last: Measurement,
    *,
    cost: Cost | None,
    rates: Sequence[float],
    batch: Batch | None,
    signal: EdgeSignal | None,
    signals: Sequence[EdgeSignal],
    now: float,
) -> Mapping[str, float | None]:
    """The elements by name; None where what they rest on was not measured.

    rates: messages/s of the metrics window, oldest first. batch: the newest. signal: the newest if it is fresh, else
    None. signals: those of JUDGE_S, oldest first; when they scatter too much, none is believed. now: epoch seconds.
    """
    recent = rates[-max(round(KEEP_S / job.interval_s), 1) :]
    present = forecast(recent)
    scatter = noise([s.predicted_rate for s in signals]) if signal else 0.0
    believed = signal if scatter <= MOST_NOISE else None
    ahead = _ahead(believed, signals) if believed else present
    found: dict[str, float | None] = {
        "forecast_known": float(believed is not None),
        "forecast_noise": scatter,
        "forecast_support": ahead.support if believed and ahead else 1.0,
        "burst_probability": believed.probability if believed else 0.0,
        "rate_noise": noise(recent),
        "in_force": float(history.allocation.executors),
        "floor": float(stable_floor(history, now=now, window_s=job.limits.stabilization_s)),
        "lateness": batch.latency_ms / job.objectives.latency_target_ms if batch else None,
        "interval": job.interval_s,
    }
    if cost is None or last.trigger_interval_s is None or present is None or ahead is None:
        return found
    pace = Pace.of(trigger_s=last.trigger_interval_s, target_ms=job.objectives.latency_target_ms)
    behind = _behind(last, target_s=job.objectives.latency_target_ms / 1000) / CATCH_UP_S
    return found | _required(last, cost, pace, present=present, ahead=ahead, behind=behind, rates=rates, batch=batch)


def _ahead(newest: EdgeSignal, signals: Sequence[EdgeSignal]) -> Forecast | None:
    recent = [s.predicted_rate for s in signals if newest.time - KEEP_S < s.time < newest.time]
    return forecast([*recent, newest.predicted_rate])


def _required(
    last: Measurement,
    cost: Cost,
    pace: Pace,
    *,
    present: Forecast,
    ahead: Forecast,
    behind: float,
    rates: Sequence[float],
    batch: Batch | None,
) -> dict[str, float | None]:
    peak, mean = max(rates), sum(rates) / len(rates)
    now, later = required(present.rate + behind, cost, pace), required(ahead.rate + behind, cost, pace)
    shuffle = working_set = None
    if last.memory is not None and last.applied is not None and last.running is not None:
        # In use over all executors, over as few as would be busy with the mean load, which is what state follows.
        busy = max(required(mean, cost, pace), LEAST_BUSY)
        working_set = last.memory / 100 * last.applied.memory_gib * last.running / busy
    if batch and batch.rows > 0 and last.shuffle_mb is not None:
        shuffle = last.shuffle_mb / batch.rows * cost.capacity
    return {
        "required": now,
        "required_ahead": later,
        "required_next": max(now, later),
        "required_peak": required(peak, cost, pace),
        "overhead": min(cost.overhead_s / pace.budget_s, 1.0),
        "working_set": working_set,
        "shuffle_per_executor": shuffle,
    }


def _behind(last: Measurement, *, target_s: float) -> float:
    """Messages beyond what arrives in a target and one and a half triggers: a job that is late by a little, as one that
    saves may be, is not behind."""
    if last.backlog is None:
        return 0.0
    usual = (1.5 * (last.trigger_interval_s or 0.0) + target_s) * (last.rate or 0.0)
    return max(last.backlog - usual, 0.0)


def stable_floor(history: History, *, now: float, window_s: float) -> int:
    """What stabilisation keeps whatever is proposed: the highest proposal in the window, as Kubernetes' HPA does it;
    the count in force while the window is not yet full."""
    begin, current = now - window_s, history.allocation.executors
    if history.since > begin:
        return current
    return min(current, max((p.executors for p in history.proposals if p.time > begin), default=0))
