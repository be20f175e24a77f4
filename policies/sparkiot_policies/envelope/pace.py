"""Pace: how fast executors, tier and compression may move from the allocation in force to the proposed one."""

import math

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import ClampCode
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.outlook import stable_floor

from .draft import FIELDS, Draft

STATE_SHARE = 0.5
"""Of an executor's memory, what its part of the queries' state may fill after a scale-down: state follows the load by
minutes, and executors that are left with too much of it die."""


def hold(job: Job, evaluation: Evaluation, base: Allocation, draft: Draft) -> None:
    """Keep the allocation in force while the job is paused, a period is excluded or the last measurement is stale."""
    limits, now = job.limits, evaluation.now
    if job.mode is Mode.PAUSED:
        _keep(draft, base, ClampCode.PAUSED, "the job is paused")
    elif period := next((p for p in limits.excluded if p.contains(now)), None):
        message = f"nothing is scaled from {period.start:%H:%M} to {period.end:%H:%M} {period.time_zone}"
        _keep(draft, base, ClampCode.EXCLUDED_PERIOD, message)
    elif evaluation.age_s > limits.stale_after_s:
        measured = f"{evaluation.age_s:.0f} s old" if math.isfinite(evaluation.age_s) else "missing"
        message = f"the last measurement is {measured}, the limit is {limits.stale_after_s:g} s"
        _keep(draft, base, ClampCode.STALE_OBSERVATION, message)


def executors(job: Job, evaluation: Evaluation, base: Allocation, draft: Draft) -> None:
    if draft.allocation.executors > base.executors:
        _up(job, evaluation, base.executors, draft)
    elif draft.allocation.executors < base.executors:
        _down(job, evaluation, base, draft)


def shuffle(job: Job, evaluation: Evaluation, base: Allocation, draft: Draft) -> None:
    """One cool-down for tier and compression: both change where and how the next batch's blocks are written."""
    since, cooldown = evaluation.now - evaluation.history.shuffled, job.limits.cooldown_shuffle_s
    if since < cooldown:
        message = _cooling("the last change of tier or compression", since, cooldown)
        draft.limit(ClampCode.COOL_DOWN_SHUFFLE, "tier", base.tier, message)
        draft.limit(ClampCode.COOL_DOWN_SHUFFLE, "compression", base.compression, message)


def no_shrinking(evaluation: Evaluation) -> tuple[ClampCode, str] | None:
    """Why the job must not lose resources now: missing is not idle, and a backlog that grows needs what there is."""
    if evaluation.backlog_growing:
        return ClampCode.BACKLOG_GROWING, "the backlog is growing"
    observation = evaluation.observation
    if evaluation.backlog_growing is None or observation.backlog is None:
        return ClampCode.STALE_OBSERVATION, "the backlog is unknown"
    if observation.workload_rate is None:
        return ClampCode.STALE_OBSERVATION, "the workload rate is unknown"
    return None


def _up(job: Job, evaluation: Evaluation, current: int, draft: Draft) -> None:
    limits = job.limits
    since = evaluation.now - evaluation.history.scaled_up
    if since < limits.cooldown_up_s:
        message = _cooling("the last scale-up", since, limits.cooldown_up_s)
        draft.limit(ClampCode.COOL_DOWN_UP, "executors", current, message)
        return
    highest = max(math.floor(min(current * limits.max_up_factor, current + limits.max_up_step)), current + 1)
    if draft.allocation.executors > highest:
        message = f"one step up from {current} is at most {limits.max_up_factor:g} times and {limits.max_up_step} more"
        draft.limit(ClampCode.MAX_STEP_UP, "executors", highest, message)


def _down(job: Job, evaluation: Evaluation, base: Allocation, draft: Draft) -> None:
    limits, history, now, current = job.limits, evaluation.history, evaluation.now, base.executors
    if blocked := no_shrinking(evaluation):
        draft.limit(blocked[0], "executors", current, blocked[1])
        return
    if now - history.scaled_down < limits.cooldown_down_s:
        message = _cooling("the last scale-down", now - history.scaled_down, limits.cooldown_down_s)
        draft.limit(ClampCode.COOL_DOWN_DOWN, "executors", current, message)
        return
    floor = min(current, stable_floor(history, now=now, window_s=limits.stabilization_s))
    if draft.allocation.executors < floor:
        message = f"{floor} were needed within the last {limits.stabilization_s:g} s"
        draft.limit(ClampCode.STABILIZING, "executors", floor, message)
    if evaluation.state_mib is not None:
        holding = min(current, math.ceil(evaluation.state_mib / (STATE_SHARE * base.memory_mib)))
        if draft.allocation.executors < holding:
            message = f"{evaluation.state_mib:.0f} MiB of state fill half of the memory of {holding}"
            draft.limit(ClampCode.STATE_MEMORY, "executors", holding, message)
    lowest = min(math.ceil(current * (1 - limits.max_down_factor)), current - 1)
    if draft.allocation.executors < lowest:
        message = f"one step down from {current} removes at most {limits.max_down_factor:.0%}"
        draft.limit(ClampCode.MAX_STEP_DOWN, "executors", lowest, message)


def _keep(draft: Draft, base: Allocation, code: ClampCode, message: str) -> None:
    for field in FIELDS:
        draft.limit(code, field, getattr(base, field), message)


def _cooling(what: str, since: float, cooldown: float) -> str:
    return f"{what} was {since:.0f} s ago, the cool-down is {cooldown:g} s"
