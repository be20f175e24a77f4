"""Status conditions: what each one finds in a turn, and how it is carried from one status to the next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sparkiot_policies.decision import ClampCode, Decision
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .reasons import DegradedReason, LimitedReason, ObjectiveReason, ObservationReason, ShuffleReason, SignalReason
from .resource.status import Condition, ConditionType
from .signals.watch import SignalsView
from .spark.shuffle_state import ShuffleState
from .times import timestamp

ORDER = tuple(ConditionType)
ROOM = frozenset({ClampCode.QUOTA, ClampCode.UNSCHEDULABLE})
"""Bounds that lie outside of the job's resource."""
STATUS: Mapping[bool | None, Literal["True", "False", "Unknown"]] = {True: "True", False: "False", None: "Unknown"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one condition is now. status: None for Unknown. reason: CamelCase and stable. message: never empty."""

    type: ConditionType
    status: bool | None
    reason: str
    message: str


def build_conditions(
    previous: Sequence[Condition], findings: Iterable[Finding], *, generation: int | None, now: float
) -> list[Condition]:
    """The findings as conditions, with those that nobody spoke of as they were; ordered by type.

    The transition time moves only when the status does. now: real time, epoch seconds.
    """
    known = {condition.type: condition for condition in previous}
    for finding in findings:
        before = known.get(finding.type)
        status = STATUS[finding.status]
        unchanged = before is not None and before.status == status
        known[finding.type] = Condition.model_construct(
            type=finding.type.value,
            status=status,
            reason=str(finding.reason),  # plain text, as the model says
            message=finding.message,
            last_transition_time=before.last_transition_time if before and unchanged else timestamp(now),
            observed_generation=generation,
        )
    return [known[name] for name in ORDER if name in known]


def ready(status: bool, reason: str, message: str) -> Finding:
    return Finding(ConditionType.READY, status, reason, message)


def degraded(reason: str, message: str) -> Finding:
    return Finding(ConditionType.DEGRADED, True, reason, message)


def observation_finding(job: Job, evaluation: Evaluation, error: str | None) -> Finding:
    """Whether decisions rest on fresh measurements. error: why the backend could not be observed just now."""
    if evaluation.age_s <= job.limits.stale_after_s:
        return Finding(ConditionType.OBSERVATION_FRESH, True, ObservationReason.OBSERVED, "measurements arrive in time")
    why = error or "the backend reports nothing new"
    return Finding(
        ConditionType.OBSERVATION_FRESH,
        False,
        ObservationReason.OBSERVATION_STALE,
        f"no measurement for more than {job.limits.stale_after_s:g} s ({why}); the allocation is held",
    )


def objective_finding(job: Job, evaluation: Evaluation) -> Finding:
    attainment, quantile = evaluation.observation.attainment, job.objectives.quantile
    target = f"{job.objectives.latency_target_ms:g} ms"
    if attainment is None:
        return Finding(
            ConditionType.OBJECTIVE_MET, None, ObjectiveReason.NO_BATCHES, "no micro-batch has completed yet"
        )
    message = f"{attainment:.1%} of micro-batches within {target}, wanted {quantile:.1%}"
    met = attainment >= quantile
    return Finding(
        ConditionType.OBJECTIVE_MET,
        met,
        ObjectiveReason.OBJECTIVE_MET if met else ObjectiveReason.OBJECTIVE_MISSED,
        message,
    )


def signal_finding(view: SignalsView | None) -> Finding:
    """Whether decisions rest on fresh burst signals. view: None for a job that follows none."""
    if view is None:
        return Finding(ConditionType.SIGNAL_FRESH, None, SignalReason.NO_SOURCE, "the job follows no burst signals")
    fresh = view.age_s is not None and view.age_s <= view.stale_after_s
    young = view.followed_s <= view.stale_after_s
    if view.problem is not None and not fresh:
        status, reason = (None, SignalReason.CONNECTING) if young else (False, SignalReason.UNREACHABLE)
        return Finding(
            ConditionType.SIGNAL_FRESH, status, reason, f"{view.problem}; no burst can be announced until then"
        )
    if fresh:
        return Finding(
            ConditionType.SIGNAL_FRESH, True, SignalReason.RECEIVED, f"signals arrive in time from {view.source}"
        )
    dropped = ", ".join(f"{reason} {count}" for reason, count in view.dropped.items()) or "none"
    message = f"no signal was believed for more than {view.stale_after_s:g} s (dropped: {dropped})"
    return Finding(
        ConditionType.SIGNAL_FRESH,
        None if young else False,
        SignalReason.WAITING if young else SignalReason.SIGNAL_STALE,
        message,
    )


def limited_finding(decision: Decision) -> Finding:
    """Whether the envelope changed the proposal; the reason is the first clamp's code, but that of ROOM where there is
    one, as that is for somebody else to mend than the job's owner."""
    if not decision.clamps:
        return Finding(
            ConditionType.SCALING_LIMITED, False, LimitedReason.WITHIN_BOUNDS, "no bound changed the proposal"
        )
    codes = "; ".join(f"{clamp.code.value}: {clamp.message}" for clamp in decision.clamps)
    first = next((clamp for clamp in decision.clamps if clamp.code in ROOM), decision.clamps[0])
    return Finding(ConditionType.SCALING_LIMITED, True, first.code.value, codes)


def degraded_finding(decision: Decision, evaluation: Evaluation) -> Finding:
    """Whether the job runs, but not as it should: on the fallback rule, with executors that find no room, or with some
    that have to end."""
    if decision.fallback is not None:
        return degraded(
            decision.fallback.value, f"{decision.acted.name} acts for {decision.policy.name}: {decision.detail}"
        )
    if evaluation.unschedulable:
        return degraded(
            DegradedReason.UNSCHEDULABLE, f"the cluster has no room for {evaluation.unschedulable} executors"
        )
    if evaluation.leaving:
        message = f"{evaluation.leaving} executors have to end, as in a drain of their node; others are asked for ahead"
        return degraded(DegradedReason.EXECUTORS_ENDING, message)
    return Finding(
        ConditionType.DEGRADED,
        False,
        DegradedReason.AS_EXPECTED,
        "nothing stands in for the policy, and every executor finds room",
    )


def shuffle_finding(shuffle: ShuffleState | None) -> Finding | None:
    """Whether every stated tier works; None where there is nothing to say. The reason names tier and trouble."""
    if shuffle is None:
        return None
    type_ = ConditionType.SHUFFLE_TIERS_READY
    if shuffle.troubles:
        first = shuffle.troubles[0]
        said = "; ".join(f"{trouble.tier}: {trouble.reason}: {trouble.message}" for trouble in shuffle.troubles)
        return Finding(type_, False, f"{first.tier}{first.reason.removeprefix('Tier')}", said)
    if not shuffle.checked:
        return Finding(type_, None, ShuffleReason.NOT_CHECKED, "the shuffle tiers were not looked at yet")
    return Finding(type_, True, ShuffleReason.TIERS_WORK, "no shuffle tier fails")
