"""The safety envelope: rules, not learned, between what a policy proposes and what a job gets.

Two kinds of bounds. *Hard* ones (min/max, allowed tiers and compressions, budget) hold for every allocation, at once:
a spec edit that lowers the maximum below what runs takes the job down in one cycle. *Pace* (steps, cool-downs,
stabilisation, backlog, stale data, restarts, room in the cluster) limits the way from the allocation in force to the
proposed one, and so never leads outside the hard bounds: what it keeps is the allocation in force brought within them.

Who wins: hard bounds, over an override (``kubectl scale``), over holds (paused, excluded period, stale observation),
over pace, over the policy. A human's override acts while the job is held and is not slowed down, but neither it nor a
policy spends beyond the budget or asks for more executors than the namespace's quota or the cluster has room for.
"""

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import Clamp, ClampCode
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from . import bounds, pace, restart, room
from .draft import Draft
from .fallback import fallback_reason

__all__ = ["constrain", "fallback_reason"]


def constrain(job: Job, evaluation: Evaluation, proposal: Allocation) -> tuple[Allocation, tuple[Clamp, ...]]:
    """The allocation that a proposal becomes, and why it differs.

    Each field that differs from the proposal has at least one clamp, in the order in which the bounds were met; a field
    that does not differ has none. Constraining the result again changes nothing.
    """
    limits = job.limits
    base = bounds.within(job, evaluation.history.allocation)
    draft = Draft(proposal)
    pace.hold(job, evaluation, base, draft)
    if limits.override is not None:
        draft.limit(ClampCode.OVERRIDE, "executors", limits.override, f"the scale is pinned to {limits.override}")
    bounds.apply(limits, evaluation.history.allocation, draft)
    if limits.override is None:
        pace.executors(job, evaluation, base, draft)
    pace.shuffle(job, evaluation, base, draft)
    restart.apply(job, evaluation, base, draft)
    room.apply(evaluation, base, draft)
    bounds.afford(job, base, draft)
    return draft.allocation, draft.clamps_against(proposal)
