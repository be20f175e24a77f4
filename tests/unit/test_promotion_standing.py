"""From shadow to active and back, by hand."""

from dataclasses import replace

from support_jobs import NOW
from support_promotion import HOUR, TERMS

from sparkiot_policies.decision import FallbackCode
from sparkiot_policies.promotion.standing import Stage, Standing
from sparkiot_policies.promotion.verdict import Verdict, VerdictCode

BETTER = Verdict(VerdictCode.BETTER, "")
SHADOW = Standing(since=NOW)


def test_enough_evidence_promotes_a_job_that_asks_for_it() -> None:
    active = SHADOW.promoted(TERMS, BETTER, NOW + 5)
    assert (active.stage, active.since, active.promotions) == (Stage.ACTIVE, NOW + 5, 1)
    assert active.promoted(TERMS, BETTER, NOW + 9) is active, "it is already"


def test_nothing_is_promoted_unasked_or_without_enough() -> None:
    assert SHADOW.promoted(replace(TERMS, automatic=False), BETTER, NOW) is SHADOW
    for code in VerdictCode:
        if code is not VerdictCode.BETTER:
            assert SHADOW.promoted(TERMS, Verdict(code, ""), NOW) is SHADOW


def test_a_demotion_is_immediate_and_cools_down() -> None:
    """Two hours of cool-down from the demotion on: just before their end nothing is promoted, at their end it is."""
    active = SHADOW.promoted(TERMS, BETTER, NOW)
    demoted = active.demoted(FallbackCode.OUT_OF_DISTRIBUTION, "strange load", NOW + HOUR)
    assert (demoted.stage, demoted.since, demoted.demotions) == (Stage.SHADOW, NOW + HOUR, 1)
    assert demoted.demotion is not None
    assert demoted.demotion.code is FallbackCode.OUT_OF_DISTRIBUTION
    assert demoted.cooling_s(TERMS, NOW + 2 * HOUR) == HOUR
    assert demoted.promoted(TERMS, BETTER, NOW + 3 * HOUR - 1) is demoted
    again = demoted.promoted(TERMS, BETTER, NOW + 3 * HOUR)
    assert (again.stage, again.promotions, again.demotions) == (Stage.ACTIVE, 2, 1)


def test_what_is_withheld_counts_as_no_demotion() -> None:
    back = SHADOW.promoted(TERMS, BETTER, NOW).withheld(NOW + 1)
    assert (back.stage, back.demotions, back.demotion) == (Stage.SHADOW, 0, None)
    assert back.cooling_s(TERMS, NOW + 1) == 0
