"""Restart-class changes: executor memory is fixed at start, so a change stops the job and resumes from the checkpoint.

Gain and cost are compared in seconds, at the job's own weights α (cost), β (latency), γ (throughput):

    gain = horizon · (α · share of the bill saved + (β + γ) · share of memory pressure relieved)
    cost = (β + γ) · restart time

A second in which the job stands still counts as much as a second under full memory pressure or as a second that is paid
for needlessly. Shares are negative when the bill or the pressure rises. The bill is compared at equal executors,
because executors change in place whether or not the restart is taken. Pressure starts at 85 % memory utilisation, where
spilling sets in, and is full at 100 % or when executors ran out of memory; after the change utilisation is expected to
scale inversely with the memory of an executor.
"""

from sparkiot_policies.allocation import Allocation, format_memory
from sparkiot_policies.decision import ClampCode
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .draft import Draft
from .pace import no_shrinking

PRESSURE_FROM = 85.0
"""Memory utilisation, in percent, at which pressure begins."""


def apply(job: Job, evaluation: Evaluation, base: Allocation, draft: Draft) -> None:
    """Keep the memory in force unless a restart pays and may be taken. What is in place of the proposal stays.

    When the memory in force lies outside the bounds the restart happens anyway, and the proposal takes part in it.
    """
    history, old, new = evaluation.history, base.memory_mib, draft.allocation.memory_mib
    if new == old or history.allocation.memory_mib != old:
        return
    since = evaluation.now - max(history.restarted, history.since)
    if since < job.limits.restart_min_interval_s:
        # A history that begins after the last restart, as after the loss of the operator, does not know when that was.
        last = "the last was" if history.restarted >= history.since else "the last may have been"
        message = f"restarts are at least {job.limits.restart_min_interval_s:g} s apart, {last} {since:.0f} s ago"
        draft.limit(ClampCode.RESTART_INTERVAL, "memory_mib", old, message)
    elif new < old and (blocked := no_shrinking(evaluation)):
        draft.limit(blocked[0], "memory_mib", old, blocked[1])
    elif (other := _disagreed(job, evaluation, old, new)) is not None:
        window = job.limits.restart_stabilization_s
        message = f"{format_memory(other)} was proposed within the last {window:g} s"
        draft.limit(ClampCode.RESTART_UNSETTLED, "memory_mib", old, message)
    elif (gain := gain_s(job, evaluation, old, new)) <= (cost := cost_s(job, evaluation)):
        horizon = job.limits.restart_horizon_s
        message = f"{format_memory(new)} gains {gain:.0f} s over {horizon:g} s, a restart costs {cost:.0f} s"
        draft.limit(ClampCode.RESTART_NOT_WORTH, "memory_mib", old, message)


def _disagreed(job: Job, evaluation: Evaluation, old_mib: int, new_mib: int) -> int | None:
    """Memory of the last proposal that did not want the change; None when all did, or when an executor ran out of it.

    State outlives the load that it came from: after a scale-down few executors hold it for some minutes, and are full.
    """
    if new_mib > old_mib and evaluation.out_of_memory:
        return None
    begin = evaluation.now - job.limits.restart_stabilization_s
    asked = [p.memory_mib for p in evaluation.history.proposals if p.time >= begin and p.memory_mib is not None]
    return next((m for m in reversed(asked) if (m <= old_mib if new_mib > old_mib else m >= old_mib)), None)


def gain_s(job: Job, evaluation: Evaluation, old_mib: int, new_mib: int) -> float:
    """Expected gain of another memory per executor, in weighted seconds; -inf where shrinking cannot be judged."""
    used = 100.0 if evaluation.out_of_memory else evaluation.observation.memory
    if used is None and new_mib < old_mib:
        return float("-inf")
    relieved = 0.0 if used is None else _pressure(used) - _pressure(used * old_mib / new_mib)
    before, after = (job.prices.compute_per_hour(1, mib) for mib in (old_mib, new_mib))
    saved = 1 - after / before if before > 0 else 0.0
    weights = evaluation.weights
    return job.limits.restart_horizon_s * (weights.cost * saved + (weights.latency + weights.throughput) * relieved)


def cost_s(job: Job, evaluation: Evaluation) -> float:
    """Cost of a restart in weighted seconds, from the last measured one or the job's estimate."""
    measured = evaluation.restart_cost_s
    outage = job.limits.restart_cost_s if measured is None else measured
    return (evaluation.weights.latency + evaluation.weights.throughput) * outage


def _pressure(used: float) -> float:
    return min(max((used - PRESSURE_FROM) / (100.0 - PRESSURE_FROM), 0.0), 1.0)
