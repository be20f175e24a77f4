"""What holds for every proposal, observation, history and set of limits."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_envelope import FIELDS, within_bounds, within_budget
from support_jobs import NOW, Scripted, allocation, history, job, measurement
from support_strategies import allocations, evaluations, jobs

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.controller import Controller
from sparkiot_policies.envelope import bounds, constrain
from sparkiot_policies.errors import ObservationMissingError, PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import Measurement
from sparkiot_policies.rules import Rate


@given(jobs, evaluations, allocations)
def test_hard_bounds_hold_whatever_happens(j: Job, e: Evaluation, proposal: Allocation) -> None:
    result, _ = constrain(j, e, proposal)
    assert within_bounds(j, result)
    assert within_budget(j, result)


@given(jobs, evaluations, allocations)
def test_growth_stays_within_quota_and_cluster(j: Job, e: Evaluation, proposal: Allocation) -> None:
    result, _ = constrain(j, e, proposal)
    in_force = max(e.history.allocation.executors, j.limits.min_executors)
    if e.quota_executors is not None:
        assert result.executors <= max(e.quota_executors, in_force)
    if e.unschedulable:
        assert result.executors <= in_force


def settled(j: Job, e: Evaluation) -> Evaluation:
    """The evaluation of a job whose allocation in force is within its bounds."""
    return replace(e, history=replace(e.history, allocation=bounds.within(j, e.history.allocation)))


BLINDNESS = {
    "stale": lambda e: replace(e, age_s=61.0),
    "backlog growing": lambda e: replace(e, backlog_growing=True),
    "growth unknown": lambda e: replace(e, backlog_growing=None),
    "backlog missing": lambda e: replace(e, observation=replace(e.observation, backlog=None)),
    "rate missing": lambda e: replace(e, observation=replace(e.observation, workload_rate=None)),
}


@pytest.mark.parametrize("blindness", BLINDNESS)
@given(j=jobs, e=evaluations, proposal=allocations)
def test_nothing_shrinks_on_missing_data_or_a_growing_backlog(
    blindness: str, j: Job, e: Evaluation, proposal: Allocation
) -> None:
    j = replace(j, limits=replace(j.limits, override=None))
    e = BLINDNESS[blindness](settled(j, e))
    result, _ = constrain(j, e, proposal)
    assert result.executors >= e.history.allocation.executors
    assert result.memory_mib >= e.history.allocation.memory_mib


@given(jobs, evaluations, allocations)
def test_a_held_job_keeps_its_allocation(j: Job, e: Evaluation, proposal: Allocation) -> None:
    j = replace(j, mode=Mode.PAUSED, limits=replace(j.limits, override=None))
    e = settled(j, e)
    assert constrain(j, e, proposal)[0] == e.history.allocation


@given(jobs, evaluations, allocations)
def test_constraining_twice_changes_nothing_more(j: Job, e: Evaluation, proposal: Allocation) -> None:
    once, _ = constrain(j, e, proposal)
    twice, clamps = constrain(j, e, once)
    assert (twice, clamps) == (once, ())


@given(jobs, evaluations, allocations)
def test_every_change_is_explained_and_nothing_else(j: Job, e: Evaluation, proposal: Allocation) -> None:
    result, clamps = constrain(j, e, proposal)
    changed = {name for name, field in FIELDS.items() if getattr(result, field) != getattr(proposal, field)}
    assert {c.field for c in clamps} == changed
    for name in changed:
        chain = [c for c in clamps if c.field == name]
        assert chain[0].before == proposal.to_dict()[name] or chain[0].before == str(proposal.to_dict()[name])
        assert chain[-1].after == str(result.to_dict()[name])
        assert all(a.after == b.before for a, b in pairwise(chain))
    assert all(c.message.startswith(f"{c.field} {c.before} -> {c.after}: ") for c in clamps)


SMALL = Allocation(executors=1, memory_mib=1024, tier=Tier.HOT, compression=Compression.NONE)
HUGE = Allocation(executors=10_000, memory_mib=10**6, tier=Tier.ARCHIVE, compression=Compression.ZSTD)
HOSTILE = {
    "constant max": [HUGE],
    "constant min": [SMALL],
    "oscillation": [HUGE, SMALL] * 400,
    "oscillation of memory": [allocation(4, gib=g) for g in (1, 8, 4, 2)] * 200,
    "slow oscillation of memory": [allocation(4, gib=g) for g in (1, 8) for _ in range(40)] * 10,
    "failures": [PolicyError("NaN in the output"), HUGE, ObservationMissingError(["cpu"]), SMALL] * 200,
}


def noisy(step: int, allocation: Allocation) -> Measurement | None:
    """Every now and then nothing is measured, or nonsense is."""
    now = NOW + 10 * step
    if step % 17 == 0:
        return None
    rate = [100.0, 900.0, math.nan, 10.0, math.inf][step % 5]
    running = None if step % 11 == 0 else allocation.executors
    memory = [10.0, 99.0, None, math.nan][step % 4]
    return measurement(now, rate=rate, running=running, memory=memory, backlog=200.0 if step % 7 else 1e9)


@pytest.mark.parametrize("script", HOSTILE)
def test_a_hostile_policy_never_leaves_the_envelope(script: str) -> None:
    j = job(min_executors=2, max_executors=12, min_memory_mib=1024, max_memory_mib=6144, budget=2.0)
    j = replace(j, limits=replace(j.limits, restart_min_interval_s=900.0))
    controller = Controller(j, policy=Scripted(*HOSTILE[script]), fallback=Rate(), history=history(since=NOW))
    restarts, changes = [], 0
    for step in range(700):
        before = controller.history.allocation
        e, decision = controller.step(noisy(step, before), signal=None, now=NOW + 10 * step)
        controller.accept(e, decision)
        after = controller.history.allocation
        assert within_bounds(j, after)
        assert within_budget(j, after)
        assert after.executors <= max(4 * before.executors, before.executors + 1)
        assert after.executors >= min(math.ceil(before.executors / 2), before.executors - 1)
        changes += after != before
        if after.memory_mib != before.memory_mib:
            restarts.append(decision.time)
    # Memory that is asked for anew in every cycle never settles.
    assert not restarts if script == "oscillation of memory" else changes
    assert restarts or script != "slow oscillation of memory"
    assert all(b - a >= 900 for a, b in zip([NOW, *restarts], restarts, strict=False))


@given(st.lists(allocations, min_size=1, max_size=30))
def test_scale_downs_keep_their_cool_down(script: list[Allocation]) -> None:
    controller = Controller(job(), policy=Scripted(*script), fallback=Rate(), history=history(since=NOW - 1e4))
    downs = []
    for step in range(40):
        before = controller.history.allocation.executors
        now = NOW + 10 * step
        e, decision = controller.step(measurement(now), signal=None, now=now)
        controller.accept(e, decision)
        if controller.history.allocation.executors < before:
            downs.append(now)
    assert all(b - a >= 60 for a, b in pairwise(downs))
