"""The decision itself: a pure function from job, evaluation and policy to a frozen Decision."""

from dataclasses import dataclass

from . import envelope
from .allocation import ActionClass, Allocation
from .decision import Decision, FallbackCode, PolicyIdentity, Reason
from .errors import ObservationMissingError, PolicyError
from .evaluation import Evaluation, with_weights
from .job import Job
from .policy import MetaController, Policy


@dataclass(frozen=True, slots=True)
class _Proposed:
    allocation: Allocation
    acted: PolicyIdentity
    fallback: FallbackCode | None = None
    detail: str = ""
    held: bool = False


def decide(
    job: Job, evaluation: Evaluation, policy: Policy, *, fallback: Policy, meta: MetaController | None = None
) -> Decision:
    """Ask the policy, or the fallback rule where the policy must not act, and keep the answer inside the envelope.

    A proposal that cannot be made (missing values) is the allocation in force: the envelope holds it and says so.
    """
    trouble = ""
    if meta is not None and job.objectives.weights is None:
        evaluation, trouble = _weighted(evaluation, meta)
    proposed = _propose(job, evaluation, policy, fallback)
    allocation, clamps = envelope.constrain(job, evaluation, proposed.allocation)
    return Decision(
        time=evaluation.now,
        job=job.name,
        observation=evaluation.observation,
        weights=evaluation.weights,
        previous=evaluation.history.allocation,
        proposal=proposed.allocation,
        allocation=allocation,
        clamps=clamps,
        reason=_reason(evaluation, proposed.allocation, allocation, held=bool(clamps) or proposed.held),
        policy=policy.identity,
        acted=proposed.acted,
        fallback=proposed.fallback,
        detail="; ".join(filter(None, (proposed.detail, trouble))),
    )


def _weighted(evaluation: Evaluation, meta: MetaController) -> tuple[Evaluation, str]:
    """Under the meta-controller's weights, and what is wrong with it; the last weights stay while it cannot say."""
    try:
        return with_weights(evaluation, meta.weights(evaluation.context)), ""
    except ObservationMissingError:
        return evaluation, ""
    except PolicyError as error:
        return evaluation, f"the weights stay as they were: {error}"


def _propose(job: Job, evaluation: Evaluation, policy: Policy, fallback: Policy) -> _Proposed:
    code, detail = envelope.fallback_reason(job, evaluation, policy)
    if code is None:
        try:
            return _Proposed(policy.propose(job, evaluation), policy.identity)
        except ObservationMissingError as missing:
            return _Proposed(evaluation.history.allocation, policy.identity, detail=str(missing), held=True)
        except PolicyError as error:
            code, detail = FallbackCode.POLICY_FAILED, str(error)
    try:
        return _Proposed(fallback.propose(job, evaluation), fallback.identity, code, detail)
    except ObservationMissingError as missing:
        return _Proposed(evaluation.history.allocation, fallback.identity, code, f"{detail}; {missing}", held=True)


def _reason(evaluation: Evaluation, proposal: Allocation, allocation: Allocation, *, held: bool) -> Reason:
    previous = evaluation.history.allocation
    change = previous.change_class(allocation)
    if change is ActionClass.NONE:
        return Reason.HELD if held else Reason.STEADY
    moved = allocation.executors - previous.executors
    if moved and moved * (proposal.executors - previous.executors) <= 0:
        return Reason.LIMITED
    if moved > 0:
        if evaluation.observation.burst:
            return Reason.BURST_AHEAD
        return Reason.BACKLOG_GROWING if evaluation.backlog_growing else Reason.LOAD_RISING
    if moved < 0:
        return Reason.LOAD_FALLING
    return Reason.MEMORY_CHANGE if change is ActionClass.RESTART else Reason.SHUFFLE_CHANGE
