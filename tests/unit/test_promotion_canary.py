"""The rule of the canary by hand: who tries, what is compared, and when it is withdrawn."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import NOW
from support_promotion import HOUR

from sparkiot_policies.promotion.canary import (
    CanaryStanding,
    CanaryState,
    CanaryTerms,
    bucket,
    why_withdrawn,
)
from sparkiot_policies.promotion.evidence import Account

TERMS = CanaryTerms(share=0.5, margin=0.01, observe_s=HOUR, batches=100)


def seen(share: float, *, batches: float = 1000, seconds: float = HOUR) -> Account:
    return Account(batches=batches, met=share * batches, seconds=seconds)


def standing(state: CanaryState, before: float, after: float, *, batches: float = 1000) -> CanaryStanding:
    return CanaryStanding(since=NOW, state=state, baseline=seen(before), current=seen(after, batches=batches))


def test_a_baseline_is_taken_before_anything_is_tried() -> None:
    """An hour and a hundred batches; jobs below the share try, the others are the controls."""
    fresh = CanaryStanding(since=NOW)
    short = fresh.counted(TERMS, seen(0.9, seconds=HOUR - 1))
    assert short.advanced(TERMS, uid="u", canary="c", now=NOW + 1).state is CanaryState.BASELINE
    few = fresh.counted(TERMS, seen(0.9, batches=99))
    assert few.advanced(TERMS, uid="u", canary="c", now=NOW + 1).state is CanaryState.BASELINE
    enough = fresh.counted(TERMS, seen(0.9))
    states = {uid: enough.advanced(TERMS, uid=uid, canary="c", now=NOW + 1).state for uid in map(str, range(20))}
    for uid, state in states.items():
        assert state is (CanaryState.TRIAL if bucket(uid, "c") < 0.5 else CanaryState.CONTROL)
    assert set(states.values()) == {CanaryState.TRIAL, CanaryState.CONTROL}


@given(st.text(max_size=40), st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_the_jobs_of_a_smaller_one(uid: str, canary: str, one: float, other: float) -> None:
    place = bucket(uid, canary)
    assert 0 <= place < 1
    assert place == bucket(uid, canary)
    small, large = sorted((one, other))
    assert not place < small or place < large


def test_the_share_is_a_share_of_the_jobs() -> None:
    tried = sum(bucket(f"uid-{number}", "c") < 0.2 for number in range(5000))
    assert 900 < tried < 1100


def test_a_trial_is_counted_apart_from_its_baseline() -> None:
    trial = standing(CanaryState.TRIAL, 0.99, 0.99, batches=50)
    more = trial.counted(TERMS, seen(0.5, batches=50, seconds=60))
    assert more.baseline == trial.baseline
    assert more.current.attainment == pytest.approx(0.745)  # (49.5 + 25) of 100
    assert more.fallen == pytest.approx(0.245)


def test_a_trial_that_fell_beyond_the_margin_is_withdrawn() -> None:
    """Without controls the fall is the canary's own: 0.9 points may be, 1.1 may not."""
    assert why_withdrawn(TERMS, standing(CanaryState.TRIAL, 0.99, 0.981), []) is None
    reason = why_withdrawn(TERMS, standing(CanaryState.TRIAL, 0.99, 0.979), [])
    assert reason is not None
    assert "from 99.00% to 97.90%" in reason


def test_what_controls_lost_as_well_is_not_held_against_it() -> None:
    """Controls of 1000 and 3000 batches fell by 1 and by 3 points: 2.5 together. 3.4 may be, 3.6 may not."""
    controls = [
        standing(CanaryState.CONTROL, 0.99, 0.98),
        standing(CanaryState.CONTROL, 0.99, 0.96, batches=3000),
        standing(CanaryState.CONTROL, 0.99, 0.0, batches=99),  # too few to say anything
        standing(CanaryState.TRIAL, 0.99, 0.0),
    ]
    assert why_withdrawn(TERMS, standing(CanaryState.TRIAL, 0.99, 0.956), controls) is None
    assert why_withdrawn(TERMS, standing(CanaryState.TRIAL, 0.99, 0.954), controls) is not None
    assert why_withdrawn(TERMS, standing(CanaryState.PASSED, 0.99, 0.954), controls) is not None, "also after it passed"


def test_controls_that_improved_demand_nothing() -> None:
    better = [standing(CanaryState.CONTROL, 0.9, 0.99)]
    assert why_withdrawn(TERMS, standing(CanaryState.TRIAL, 0.99, 0.985), better) is None


@pytest.mark.parametrize("state", [CanaryState.BASELINE, CanaryState.CONTROL, CanaryState.WITHDRAWN])
def test_who_tries_nothing_withdraws_nothing(state: CanaryState) -> None:
    assert why_withdrawn(TERMS, standing(state, 0.99, 0.5), []) is None


def test_too_few_batches_withdraw_nothing() -> None:
    assert why_withdrawn(TERMS, standing(CanaryState.TRIAL, 0.99, 0.5, batches=99), []) is None


def test_it_passes_and_what_is_withdrawn_stays_so() -> None:
    passed = standing(CanaryState.TRIAL, 0.99, 0.99).advanced(TERMS, uid="u", canary="c", now=NOW + HOUR)
    assert (passed.state, passed.since) == (CanaryState.PASSED, NOW + HOUR)
    gone = passed.withdrawn("attainment fell", NOW + 2 * HOUR)
    assert gone.counted(TERMS, seen(1.0)) is gone
    assert gone.advanced(TERMS, uid="u", canary="c", now=NOW + 9 * HOUR) is gone


def test_of_a_long_time_the_older_half_counts_less() -> None:
    """Two hours and 2000 batches at 99 % are halved; another hour at 90 % then makes (990 + 900) of 2000."""
    trial = replace(standing(CanaryState.TRIAL, 0.99, 0.99), current=seen(0.99)).counted(TERMS, seen(0.99))
    assert trial.current.batches == 1000
    more = trial.counted(TERMS, seen(0.9, seconds=HOUR / 2))
    assert more.current.attainment == pytest.approx(0.945)


def test_a_raised_share_turns_a_control_into_a_trial_and_a_lowered_one_back() -> None:
    """What the control did is the baseline of its trial."""
    place = bucket("u", "c")
    control = standing(CanaryState.CONTROL, 0.99, 0.95)
    below, above = replace(TERMS, share=place), replace(TERMS, share=min(place + 0.01, 1))
    assert control.advanced(below, uid="u", canary="c", now=NOW + 1) is control
    trial = control.advanced(above, uid="u", canary="c", now=NOW + 1)
    assert (trial.state, trial.since, trial.current.batches) == (CanaryState.TRIAL, NOW + 1, 0)
    assert trial.baseline.attainment == pytest.approx(0.95)
    back = trial.counted(TERMS, seen(0.5)).advanced(below, uid="u", canary="c", now=NOW + 2)
    assert (back.state, back.current.batches) == (CanaryState.CONTROL, 0)
    assert back.baseline.attainment == pytest.approx(0.95), "the trial is no baseline"
