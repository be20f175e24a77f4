"""What a cycle says of its job, one finding for each condition that every job has."""

from .conditions import (
    Finding,
    degraded_finding,
    limited_finding,
    objective_finding,
    observation_finding,
    ready,
    shuffle_finding,
)
from .session import Session
from .status import Cycle


def cycle_findings(session: Session, cycle: Cycle) -> list[Finding]:
    evaluation, decision, state = cycle.evaluation, cycle.decision, cycle.state
    fresh = observation_finding(cycle.job, evaluation, cycle.observe_error)
    if state.ready and not fresh.status:
        running = ready(False, fresh.reason, fresh.message)
    else:
        running = ready(state.ready, state.reason, state.message)
    tiers = shuffle_finding(state.shuffle)
    return [
        running,
        session.policy_findings(),
        fresh,
        objective_finding(cycle.job, evaluation),
        limited_finding(decision),
        *([tiers] if tiers is not None else []),
        degraded_finding(decision, evaluation),
    ]
