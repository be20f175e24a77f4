"""Evidence, standings and views of promotion and canary for tests: a policy that saves a fifth unless a test says
otherwise."""

from dataclasses import replace
from typing import Any

from support_jobs import NOW, allocation

from sparkiot_operator.promotion.view import CanaryView, PromotionView, ShadowView
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.job import Mode
from sparkiot_policies.promotion.canary import CanaryStanding, CanaryState
from sparkiot_policies.promotion.evidence import Account, Evidence, Score
from sparkiot_policies.promotion.standing import Standing
from sparkiot_policies.promotion.verdict import Terms, judge

HOUR = 3600.0
TERMS = Terms(automatic=True, observe_s=HOUR, decisions=100, cool_down_s=2 * HOUR)
LEARNED = PolicyIdentity("default", "sha256:" + 64 * "0")


def account(attainment: float, cost: float, *, batches: float = 1000, hours: float = 1) -> Account:
    """So many batches, and dollars an hour over so many hours."""
    return Account(batches=batches, met=attainment * batches, dollars=cost * hours, seconds=hours * HOUR)


def evidence(**changes: Any) -> Evidence:
    """An hour in which the rule kept 99 % for a dollar, by the model as measured, and the policy would for 80 cents."""
    gathered = Evidence(
        since=NOW,
        observed_s=HOUR,
        decisions=360,
        agreed=90,
        regret=-36.0,
        candidate=account(0.99, 0.8),
        rule=account(0.99, 1.0),
        measured=account(0.985, 0.96),
    )
    return replace(gathered, **changes)


def score(*, seconds: float = 10, regret: float = -0.1, agreed: bool = True, **accounts: Account) -> Score:
    """One interval in which all three did the same, unless ``accounts`` say otherwise."""
    alike = account(1.0, 1.0, batches=20, hours=seconds / HOUR)
    found = {"candidate": alike, "rule": alike, "measured": alike, **accounts}
    return Score(seconds=seconds, regret=regret, agreed=agreed, **found)


def shadow_view(**changes: Any) -> ShadowView:
    gathered = evidence()
    view = ShadowView(
        version=LEARNED,
        allocation=allocation(3, gib=1),
        decision=None,
        terms=TERMS,
        standing=Standing(since=NOW, promotions=1),
        evidence=gathered,
        verdict=judge(TERMS, gathered, quantile=0.95),
        cooling_s=0.0,
    )
    return replace(view, **changes)


def canary_view(state: CanaryState = CanaryState.TRIAL, **changes: Any) -> CanaryView:
    standing = CanaryStanding(
        since=NOW, state=state, baseline=Account(1000, 990, 0, HOUR), current=Account(500, 450, 0, HOUR / 2)
    )
    return CanaryView("0123456789abcdef", "default-v2", None, replace(standing, **changes))


def promotion_view(**changes: Any) -> PromotionView:
    return replace(PromotionView(Mode.SHADOW, shadow_view(), canary_view()), **changes)
