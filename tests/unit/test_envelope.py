"""Each bound of the envelope on an example, with its code and a message that names value and bound."""

import math
from datetime import UTC, datetime, time
from typing import Any

import pytest
from support_jobs import NOW, allocation, evaluation, job

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.decision import Clamp, ClampCode
from sparkiot_policies.envelope import constrain
from sparkiot_policies.history import Proposal
from sparkiot_policies.job import ExcludedPeriod, Limits, Mode, Weekday


def codes(clamps: tuple[Clamp, ...]) -> list[ClampCode]:
    return [c.code for c in clamps]


def scaled(executors: int, *, current: int = 4, limits: dict[str, Any] | None = None, **known: Any) -> tuple[int, list]:
    """Executors that a proposal becomes, and the codes of its clamps."""
    result, clamps = constrain(job(**(limits or {})), evaluation(allocation(current), **known), allocation(executors))
    return result.executors, codes(clamps)


def test_what_is_allowed_passes_unchanged() -> None:
    wanted = allocation(6, tier=Tier.HOT, compression=Compression.NONE)
    assert constrain(job(), evaluation(), wanted) == (wanted, ())


def test_a_clamp_names_field_value_and_bound() -> None:
    _, clamps = constrain(job(max_executors=8), evaluation(), allocation(12))
    assert clamps == (Clamp(ClampCode.MAX_EXECUTORS, "executors", "12", "8", "executors 12 -> 8: the maximum is 8"),)


def test_executors_stay_within_min_and_max() -> None:
    assert scaled(1, limits={"min_executors": 3}) == (3, [ClampCode.MIN_EXECUTORS])
    assert scaled(9, limits={"max_executors": 8}) == (8, [ClampCode.MAX_EXECUTORS])


def test_a_lowered_maximum_holds_at_once_and_against_every_pace() -> None:
    limits = {"max_executors": 2, "max_down_factor": 0.1, "stabilization_s": 600.0}
    known = {"backlog_growing": True, "scaled_down": NOW - 1}
    assert scaled(20, current=20, limits=limits, **known) == (2, [ClampCode.MAX_EXECUTORS])
    assert scaled(1, current=20, limits=limits, **known) == (2, [ClampCode.BACKLOG_GROWING])


def test_a_raised_minimum_holds_at_once_and_against_every_pace() -> None:
    limits = {"min_executors": 18, "max_up_step": 1, "cooldown_up_s": 600.0}
    assert scaled(2, current=2, limits=limits, scaled_up=NOW - 1) == (18, [ClampCode.MIN_EXECUTORS])


def test_memory_stays_within_min_and_max_and_bounds_need_no_gain() -> None:
    low = evaluation(allocation(gib=1), restarted=NOW - 1)
    result, clamps = constrain(job(min_memory_mib=2048), low, allocation(gib=1))
    assert (result.memory_mib, codes(clamps)) == (2048, [ClampCode.MIN_MEMORY])
    assert clamps[0].message == "memory 1Gi -> 2Gi: the minimum is 2Gi"
    high = evaluation(allocation(gib=8), restarted=NOW - 1)
    result, clamps = constrain(job(max_memory_mib=4096), high, allocation(gib=8))
    assert (result.memory_mib, codes(clamps)) == (4096, [ClampCode.MAX_MEMORY])


def test_a_restart_that_bounds_force_takes_the_wanted_memory_along() -> None:
    high = evaluation(allocation(gib=8), restarted=NOW - 1)
    assert constrain(job(max_memory_mib=4096), high, allocation(gib=3)) == (allocation(gib=3), ())


@pytest.mark.parametrize(
    ("current", "wanted", "allowed", "taken"),
    [
        (Tier.WARM, Tier.ARCHIVE, (Tier.HOT, Tier.WARM), Tier.WARM),  # the current one is allowed
        (Tier.ARCHIVE, Tier.ARCHIVE, (Tier.HOT, Tier.WARM), Tier.WARM),  # the nearest faster one
        (Tier.HOT, Tier.HOT, (Tier.COLD, Tier.ARCHIVE), Tier.COLD),  # none is faster: the nearest slower one
    ],
)
def test_a_tier_that_is_not_allowed_is_replaced(
    current: Tier, wanted: Tier, allowed: tuple[Tier, ...], taken: Tier
) -> None:
    result, clamps = constrain(job(tiers=allowed), evaluation(allocation(tier=current)), allocation(tier=wanted))
    assert (result.tier, codes(clamps)) == (taken, [ClampCode.TIER_NOT_ALLOWED])


def test_a_compression_that_is_not_allowed_is_replaced() -> None:
    wanted = allocation(compression=Compression.ZSTD)
    result, clamps = constrain(job(compressions=(Compression.NONE, Compression.LZ4)), evaluation(wanted), wanted)
    assert (result.compression, codes(clamps)) == (Compression.LZ4, [ClampCode.COMPRESSION_NOT_ALLOWED])
    assert clamps[0].message == "compression ZSTD -> LZ4: allowed are None, LZ4"


def test_a_step_up_is_limited_by_factor_and_by_count() -> None:
    assert scaled(20, current=2, limits={"max_up_factor": 4.0, "max_up_step": 10}) == (8, [ClampCode.MAX_STEP_UP])
    assert scaled(20, current=5, limits={"max_up_factor": 4.0, "max_up_step": 10}) == (15, [ClampCode.MAX_STEP_UP])
    assert scaled(20, current=1, limits={"max_up_factor": 1.1}) == (2, [ClampCode.MAX_STEP_UP])  # always one
    assert scaled(20, current=1, limits={"max_up_factor": math.inf, "max_up_step": 30}) == (20, [])


def test_a_step_down_is_limited_by_share() -> None:
    assert scaled(1, current=10) == (5, [ClampCode.MAX_STEP_DOWN])
    assert scaled(1, current=3, limits={"max_down_factor": 0.1}) == (2, [ClampCode.MAX_STEP_DOWN])  # always one
    assert scaled(1, current=10, limits={"max_down_factor": 1.0}) == (1, [])


def test_scale_down_goes_no_lower_than_the_highest_proposal_of_the_window() -> None:
    proposals = (Proposal(NOW - 61, 10), Proposal(NOW - 59, 8), Proposal(NOW - 10, 6))
    assert scaled(5, current=10, proposals=proposals) == (8, [ClampCode.STABILIZING])
    assert scaled(5, current=7, proposals=proposals) == (7, [ClampCode.STABILIZING])
    assert scaled(9, current=10, proposals=proposals) == (9, [])


def test_executors_that_stay_have_room_for_the_state() -> None:
    """Of its 2 GiB an executor takes one of state; and state never asks for more executors than there are."""
    assert scaled(2, current=4, state_mib=2048.0) == (2, [])
    assert scaled(2, current=4, state_mib=2049.0) == (3, [ClampCode.STATE_MEMORY])
    assert scaled(2, current=4, state_mib=9999.0) == (4, [ClampCode.STATE_MEMORY])
    assert scaled(6, current=4, state_mib=9999.0) == (6, [])


def test_a_history_younger_than_the_window_holds_scale_down() -> None:
    assert scaled(3, since=NOW - 30) == (4, [ClampCode.STABILIZING])
    assert scaled(3, since=NOW - 60) == (3, [])
    assert scaled(3, since=NOW, limits={"stabilization_s": 0.0}) == (3, [])


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"backlog_growing": True}, ClampCode.BACKLOG_GROWING),
        ({"backlog_growing": None}, ClampCode.STALE_OBSERVATION),
        ({"backlog": None}, ClampCode.STALE_OBSERVATION),
        ({"workload_rate": None}, ClampCode.STALE_OBSERVATION),
    ],
)
def test_no_scale_down_on_a_growing_backlog_or_missing_data(known: dict[str, Any], code: ClampCode) -> None:
    assert scaled(3, **known) == (4, [code])
    assert scaled(6, **known) == (6, [])


def test_cool_downs_per_action_class() -> None:
    assert scaled(6, limits={"cooldown_up_s": 30.0}, scaled_up=NOW - 29) == (4, [ClampCode.COOL_DOWN_UP])
    assert scaled(6, limits={"cooldown_up_s": 30.0}, scaled_up=NOW - 30) == (6, [])
    assert scaled(3, scaled_down=NOW - 59) == (4, [ClampCode.COOL_DOWN_DOWN])
    assert scaled(3, scaled_down=NOW - 60, scaled_up=NOW - 1) == (3, [])
    wanted = allocation(tier=Tier.HOT, compression=Compression.NONE)
    result, clamps = constrain(job(), evaluation(shuffled=NOW - 59), wanted)
    assert (result, codes(clamps)) == (allocation(), [ClampCode.COOL_DOWN_SHUFFLE] * 2)
    assert clamps[0].message == (
        "tier Hot -> Warm: the last change of tier or compression was 59 s ago, the cool-down is 60 s"
    )
    assert constrain(job(), evaluation(shuffled=NOW - 60), wanted) == (wanted, ())


@pytest.mark.parametrize(
    ("limits", "known", "code"),
    [
        ({"mode": Mode.PAUSED}, {}, ClampCode.PAUSED),
        ({}, {"age_s": 61.0}, ClampCode.STALE_OBSERVATION),
        ({}, {"age_s": math.inf}, ClampCode.STALE_OBSERVATION),
    ],
)
def test_holds_keep_every_field(limits: dict[str, Any], known: dict[str, Any], code: ClampCode) -> None:
    wanted = Allocation(executors=9, memory_mib=8192, tier=Tier.HOT, compression=Compression.NONE)
    result, clamps = constrain(job(**limits), evaluation(**known), wanted)
    assert (result, codes(clamps)) == (allocation(), [code] * 4)


def test_a_stale_measurement_says_how_old_it_is() -> None:
    _, (clamp,) = constrain(job(), evaluation(age_s=75.0), allocation(9))
    assert clamp.message == "executors 9 -> 4: the last measurement is 75 s old, the limit is 60 s"


def test_nothing_is_scaled_in_an_excluded_period() -> None:
    friday_night = ExcludedPeriod(
        start=time(22), end=time(6), days=frozenset({Weekday.FRIDAY}), time_zone="Europe/Berlin"
    )
    saturday_5_in_berlin = datetime(2026, 1, 10, 4, tzinfo=UTC).timestamp()
    inside = evaluation(now=saturday_5_in_berlin, since=0.0)
    result, (clamp,) = constrain(job(excluded=(friday_night,)), inside, allocation(9))
    assert (result, clamp.code) == (allocation(), ClampCode.EXCLUDED_PERIOD)
    assert clamp.message == "executors 9 -> 4: nothing is scaled from 22:00 to 06:00 Europe/Berlin"
    outside = evaluation(now=saturday_5_in_berlin + 3600, since=0.0)
    assert constrain(job(excluded=(friday_night,)), outside, allocation(9)) == (allocation(9), ())


@pytest.mark.parametrize(
    "held", [{}, {"mode": Mode.PAUSED}, {"excluded": (ExcludedPeriod(start=time(0), end=time.max),)}]
)
def test_an_override_pins_executors_whatever_holds(held: dict[str, Any]) -> None:
    busy = evaluation(allocation(12), backlog_growing=True, scaled_down=NOW - 1, age_s=math.inf)
    result, clamps = constrain(job(override=2, **held), busy, allocation(12))
    assert (result, codes(clamps)) == (allocation(2), [ClampCode.OVERRIDE])


def test_an_override_stays_within_bounds_budget_and_room() -> None:
    assert scaled(4, limits={"override": 30}) == (20, [ClampCode.OVERRIDE, ClampCode.MAX_EXECUTORS])
    assert scaled(4, limits={"override": 12, "budget": 2.0}) == (10, [ClampCode.OVERRIDE, ClampCode.BUDGET_CEILING])
    assert scaled(4, limits={"override": 12}, quota_executors=6) == (6, [ClampCode.OVERRIDE, ClampCode.QUOTA])


def test_the_budget_lowers_executors_first() -> None:
    # $0.20/h for an executor of 2 GiB
    result, (clamp,) = constrain(job(budget=2.0), evaluation(), allocation(12))
    assert (result.executors, clamp.code) == (10, ClampCode.BUDGET_CEILING)
    assert clamp.message == "executors 12 -> 10: the budget is $2.00/h"


def test_the_budget_gives_up_a_memory_increase_before_executors() -> None:
    hungry = evaluation(allocation(8), memory=99.0)
    result, clamps = constrain(job(budget=2.0), hungry, allocation(8, gib=4))
    assert (result, codes(clamps)) == (allocation(8), [ClampCode.BUDGET_CEILING])


def test_the_budget_lowers_memory_when_executors_are_at_the_minimum() -> None:
    # 4 · $0.20/h; $0.70/h buys 4 of $0.175/h: 1.5 GiB
    result, clamps = constrain(job(budget=0.7, min_executors=4), evaluation(), allocation(4))
    assert (result, codes(clamps)) == (allocation(4, gib=1.5), [ClampCode.BUDGET_CEILING])


def test_a_budget_below_the_minimum_says_so() -> None:
    result, clamps = constrain(job(budget=0.5, min_executors=4), evaluation(allocation(6)), allocation(6))
    assert (result, codes(clamps)) == (allocation(4, gib=1), [ClampCode.BUDGET_CEILING] * 2)
    assert clamps[1].message == (
        "executors 6 -> 4: the budget is $0.50/h, and even the minimum allocation costs $0.60/h"
    )


def test_quota_and_unschedulable_pods_stop_growth_only() -> None:
    assert scaled(8, quota_executors=6) == (6, [ClampCode.QUOTA])
    assert scaled(8, quota_executors=2) == (4, [ClampCode.QUOTA])
    assert scaled(3, quota_executors=2) == (3, [])
    assert scaled(8, unschedulable=1) == (4, [ClampCode.UNSCHEDULABLE])
    assert scaled(3, unschedulable=1) == (3, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_executors": 5, "max_executors": 3},
        {"min_executors": 0},
        {"min_memory_mib": 4096, "max_memory_mib": 2048},
        {"tiers": ()},
        {"compressions": ()},
        {"max_up_factor": 1.0},
        {"max_up_step": 0},
        {"max_down_factor": 0.0},
        {"max_down_factor": math.nan},
    ],
)
def test_limits_that_contradict_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Limits(**wrong)
