"""The rule of promotion on examples computed by hand, and what the evidence is made of."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import NOW, measurement
from support_promotion import HOUR, TERMS, account, evidence, score

from sparkiot_policies.measurement import Batch
from sparkiot_policies.promotion.evidence import NOTHING, Account, Evidence
from sparkiot_policies.promotion.verdict import Terms, VerdictCode, judge


def test_what_the_evidence_comes_to() -> None:
    found = evidence()
    assert found.candidate.attainment == pytest.approx(0.99)
    assert found.candidate.cost_per_hour == pytest.approx(0.8)
    assert found.mean_regret == pytest.approx(-0.1)
    assert found.agreement == pytest.approx(0.25)
    assert found.attainment_error == pytest.approx(0.005)
    assert found.cost_error == pytest.approx(1 / 0.96 - 1)


def test_what_nobody_measured_is_missing_and_not_zero() -> None:
    empty = Evidence(since=NOW)
    assert empty.candidate.attainment is None
    assert empty.candidate.cost_per_hour is None
    assert (empty.mean_regret, empty.agreement) == (None, None)
    assert (empty.attainment_error, empty.cost_error) == (None, None)


def test_an_interval_is_added_to_each_account() -> None:
    costly = account(0.5, 3.6, batches=10, hours=10 / HOUR)
    found = Evidence(since=NOW).after(score(measured=costly, agreed=False), enough_s=HOUR, enough=100)
    assert (found.observed_s, found.decisions, found.agreed, found.regret) == (10, 1, 0, -0.1)
    assert (found.measured.batches, found.measured.met) == (10, 5)
    assert found.measured.dollars == pytest.approx(0.01)
    assert found.rule.attainment == 1


def test_sums_are_halved_at_twice_what_a_verdict_needs() -> None:
    """Terms of 20 s and 2 decisions: the fourth interval of 10 s makes 40 s and 4, which become 20 s and 2."""
    found = Evidence(since=NOW)
    for number in (1, 2, 3):
        found = found.after(score(), enough_s=20, enough=2)
        assert found.observed_s == 10 * number
    found = found.after(score(), enough_s=20, enough=2)
    assert (found.observed_s, found.decisions, found.agreed) == (20, 2, 2)
    assert found.candidate.batches == 40
    assert found.mean_regret == pytest.approx(-0.1)
    assert found.since == NOW


@given(
    st.lists(st.tuples(st.floats(1, 100), st.floats(0, 1), st.floats(-5, 5)), min_size=1, max_size=60),
    st.floats(1, 200),
    st.integers(1, 10),
)
def test_a_verdict_that_could_be_given_can_still_be_given(
    intervals: list[tuple[float, float, float]], enough_s: float, enough: int
) -> None:
    """Halving never takes the evidence below what it needs, and means stay within what was seen."""
    found, ready = Evidence(since=NOW), False
    for seconds, attainment, regret in intervals:
        seen = account(attainment, 1.0, batches=20, hours=seconds / HOUR)
        found = found.after(score(seconds=seconds, regret=regret, candidate=seen), enough_s=enough_s, enough=enough)
        now_ready = found.observed_s >= enough_s and found.decisions >= enough
        assert now_ready or not ready
        ready = now_ready
        assert found.observed_s < 2 * enough_s or found.decisions < 2 * enough or found.observed_s < 2 * enough_s + 50
        regrets = [r for _, _, r in intervals]
        assert found.mean_regret is not None
        assert min(regrets) - 1e-9 <= found.mean_regret <= max(regrets) + 1e-9
        assert found.candidate.attainment is not None
        assert -1e-9 <= found.candidate.attainment <= 1 + 1e-9


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, VerdictCode.BETTER),
        ({"observed_s": HOUR - 1}, VerdictCode.GATHERING),
        ({"decisions": 99}, VerdictCode.GATHERING),
        # The model said 99 % where 88 % was measured: 11 points off, 10 are allowed.
        ({"measured": account(0.88, 1.0)}, VerdictCode.MODEL_UNFIT),
        # A dollar by the model where 90 cents were billed: 11.1 % off.
        ({"measured": account(0.99, 0.9)}, VerdictCode.MODEL_UNFIT),
        ({"measured": NOTHING}, VerdictCode.MODEL_UNFIT),
        ({"candidate": NOTHING}, VerdictCode.MODEL_UNFIT),
        # Half a point below the rule is as good, a little more is not.
        ({"candidate": account(0.9851, 0.8)}, VerdictCode.BETTER),
        ({"candidate": account(0.9849, 0.8)}, VerdictCode.ATTAINMENT_WORSE),
        # The rule keeps the objective of 95 %, the policy misses it by less than the margin.
        (
            {"candidate": account(0.949, 0.8), "rule": account(0.951, 1.0), "measured": account(0.951, 1.0)},
            VerdictCode.ATTAINMENT_WORSE,
        ),
        # Neither keeps it: then the margin alone counts.
        (
            {"candidate": account(0.938, 0.8), "rule": account(0.94, 1.0), "measured": account(0.94, 1.0)},
            VerdictCode.BETTER,
        ),
        ({"candidate": account(1.0, 1.06)}, VerdictCode.DEARER),
        ({"candidate": account(0.996, 1.04)}, VerdictCode.BETTER),
        ({"candidate": account(0.994, 0.96)}, VerdictCode.NOT_BETTER),
        ({"candidate": account(0.99, 0.949)}, VerdictCode.BETTER),
        ({"regret": 3.6}, VerdictCode.REGRETTED),
    ],
)
def test_the_rule_by_hand(changes: dict[str, Any], expected: VerdictCode) -> None:
    assert judge(TERMS, evidence(**changes), quantile=0.95).code is expected


def test_the_message_has_the_figures() -> None:
    message = judge(TERMS, evidence(), quantile=0.95).message
    assert "99.00% beside the rule's 99.00%" in message
    assert "$0.80 beside $1.00" in message
    waiting = judge(TERMS, evidence(decisions=99, observed_s=1800), quantile=0.95).message
    assert "0.50 of 1.00 h" in waiting
    assert "99 of 100 decisions" in waiting


def test_margins_are_the_jobs_own() -> None:
    strict = replace(TERMS, cost_margin=0.3)
    assert judge(strict, evidence(), quantile=0.95).code is VerdictCode.NOT_BETTER
    lax = replace(TERMS, max_model_error=0.2)
    off = evidence(measured=account(0.88, 1.0))
    assert judge(lax, off, quantile=0.95).code is VerdictCode.BETTER


def test_terms_without_decisions_are_refused() -> None:
    with pytest.raises(ValueError, match="decisions is 0"):
        Terms(decisions=0)


def overwhelmed(**changes: Any) -> Account:
    """Ten seconds without a batch of a job with 100 messages/s, a trigger of 5 s and a target of 2 s: 950 messages
    arrive in the target and one and a half triggers."""
    seen = measurement(NOW, **{"batches": (), "trigger_interval_s": 5.0, "backlog": 951.0, **changes})
    return Account.of(seen, target_ms=2000, seconds=10, dollars=None)


def test_a_job_that_completes_nothing_misses_its_objective() -> None:
    """Two triggers passed, so two batches are missed."""
    assert overwhelmed() == Account(batches=2, met=0, dollars=0, seconds=0)
    assert overwhelmed(backlog=950.0) == NOTHING, "it may still be in time"
    assert overwhelmed(trigger_interval_s=20.0, backlog=3300.0).batches == 1


@pytest.mark.parametrize("field", ["backlog", "rate", "trigger_interval_s"])
def test_what_is_missing_is_no_sign_of_being_overwhelmed(field: str) -> None:
    assert overwhelmed(**{field: None}) == NOTHING


def test_batches_that_were_done_are_what_counts() -> None:
    late = Batch(NOW, 10, 1, 2001), Batch(NOW, 10, 1, 2000)
    found = Account.of(measurement(NOW, batches=late, backlog=1e6), target_ms=2000, seconds=10, dollars=0.5)
    assert found == Account(batches=2, met=1, dollars=0.5, seconds=10)
