"""Restart-class changes: taken when they pay and may be taken, and never in the way of what changes in place."""

from typing import Any

import pytest
from support_jobs import NOW, allocation, evaluation, job

from sparkiot_policies.decision import ClampCode
from sparkiot_policies.envelope import constrain, restart
from sparkiot_policies.history import Proposal
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights

BUDGET = SCENARIO_WEIGHTS[Scenario.SMART_CITY_BUDGET]
CRITICAL = SCENARIO_WEIGHTS[Scenario.HEALTHCARE_CRITICAL]


def memory(gib: float, *, current: float = 4, limits: dict[str, Any] | None = None, **known: Any) -> tuple:
    """GiB that a proposal of some memory becomes, and the codes of its clamps."""
    result, clamps = constrain(job(**(limits or {})), evaluation(allocation(gib=current), **known), allocation(gib=gib))
    return result.memory_gib, [c.code for c in clamps]


def test_less_memory_is_worth_a_restart_by_the_weights() -> None:
    # 4 -> 3 GiB saves a sixth of the bill: 0.9 · 600 s against 0.1 · 60 s; 0.1 · 600 s against 0.9 · 60 s
    assert memory(3, weights=BUDGET, memory=40.0) == (3, [])
    assert memory(3, weights=CRITICAL, memory=40.0) == (3, [])
    assert memory(3, weights=CRITICAL, memory=40.0, restart_cost_s=70.0) == (4, [ClampCode.RESTART_NOT_WORTH])


def test_gain_and_cost_are_weighted_seconds() -> None:
    e = evaluation(allocation(gib=4), weights=Weights(0.5, 0.25, 0.25), memory=40.0)
    assert restart.gain_s(job(), e, 4096, 3072) == pytest.approx(0.5 * 3600 / 6)
    assert restart.gain_s(job(), e, 4096, 8192) == pytest.approx(-0.5 * 3600 * 2 / 3)
    assert restart.cost_s(job(), e) == 30.0
    assert restart.cost_s(job(), evaluation(restart_cost_s=90.0)) == pytest.approx(60.0)


def test_a_refusal_names_gain_and_cost() -> None:
    known = {"weights": CRITICAL, "memory": 40.0, "restart_cost_s": 70.0}
    _, (clamp,) = constrain(job(), evaluation(allocation(gib=4), **known), allocation(gib=3))
    assert clamp.message == "memory 3Gi -> 4Gi: 3Gi gains 60 s over 3600 s, a restart costs 63 s"


def test_more_memory_is_worth_it_under_pressure_only() -> None:
    assert memory(6, memory=80.0) == (4, [ClampCode.RESTART_NOT_WORTH])
    assert memory(6, memory=97.0) == (6, [])
    assert memory(6, memory=None) == (4, [ClampCode.RESTART_NOT_WORTH])
    assert memory(6, memory=None, out_of_memory=1) == (6, [])


def test_memory_is_not_cut_into_pressure() -> None:
    assert memory(2, memory=40.0) == (2, [])
    assert memory(2, memory=49.0) == (4, [ClampCode.RESTART_NOT_WORTH])  # 98 % of half


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"memory": None}, ClampCode.RESTART_NOT_WORTH),
        ({"backlog_growing": None}, ClampCode.STALE_OBSERVATION),
        ({"backlog_growing": True}, ClampCode.BACKLOG_GROWING),
    ],
)
def test_memory_is_not_cut_on_missing_data_or_a_growing_backlog(known: dict[str, Any], code: ClampCode) -> None:
    assert memory(2, **{"memory": 10.0, **known}) == (4, [code])


def test_restarts_keep_their_interval() -> None:
    assert memory(2, memory=10.0, restarted=NOW - 1799) == (4, [ClampCode.RESTART_INTERVAL])
    assert memory(2, memory=10.0, restarted=NOW - 1800) == (2, [])


@pytest.mark.parametrize(
    ("known", "last"),
    [
        ({"restarted": NOW - 100}, "the last was 100 s ago"),
        ({"since": NOW - 100}, "the last may have been 100 s ago"),  # a history that begins later may have missed one
    ],
)
def test_the_interval_counts_from_the_last_restart_there_may_have_been(known: dict[str, Any], last: str) -> None:
    _, (clamp,) = constrain(job(), evaluation(memory=10.0, **known), allocation(gib=1))
    assert clamp.message == f"memory 1Gi -> 2Gi: restarts are at least 1800 s apart, {last}"


@pytest.mark.parametrize(("before", "gib"), [(1024, 2), (2048, 2), (4096, 4), (8192, 4)])
def test_less_memory_must_have_been_asked_for_all_the_time(before: int, gib: int) -> None:
    """Asking for another amount of less is no contradiction; asking for what is in force, or for more, is one."""
    for seconds, expected in ((300, gib), (301, 2)):
        proposals = (Proposal(NOW - seconds, 4, before), Proposal(NOW - 10, 4, 2048), Proposal(NOW - 5, 4))
        found, codes = memory(2, memory=10.0, proposals=proposals)
        assert found == expected
        assert codes == ([] if found == 2 else [ClampCode.RESTART_UNSETTLED])


def test_more_memory_waits_as_well_unless_an_executor_ran_out_of_it() -> None:
    proposals = (Proposal(NOW - 60, 4, 4096),)
    assert memory(6, memory=97.0, proposals=proposals) == (4, [ClampCode.RESTART_UNSETTLED])
    assert memory(6, memory=97.0, proposals=proposals, out_of_memory=1) == (6, [])
    limits = {"restart_stabilization_s": 30.0}
    assert memory(6, memory=97.0, proposals=proposals, limits=limits) == (6, [])


def test_the_part_in_place_is_taken_without_the_restart() -> None:
    result, clamps = constrain(job(), evaluation(restarted=NOW - 1), allocation(6, gib=8))
    assert result == allocation(6)
    assert [(c.code, c.field) for c in clamps] == [(ClampCode.RESTART_INTERVAL, "memory")]
