"""Promotion and canary as a job's status holds them, and back. What is rounded here is what a restart goes on from."""

from typing import Any

from sparkiot_operator.allocations import allocation_status, stored_allocation
from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.promotion_status import (
    AccountStatus,
    CanaryStatus,
    DemotionStatus,
    ModelErrorStatus,
    ShadowStatus,
)
from sparkiot_operator.times import format_seconds, parse_timestamp, precise_timestamp
from sparkiot_policies.decision import FallbackCode, PolicyIdentity
from sparkiot_policies.promotion.canary import CanaryStanding
from sparkiot_policies.promotion.evidence import Account, Evidence
from sparkiot_policies.promotion.standing import Demotion, Standing

from .view import CanaryView, PromotionView, ShadowView, StoredTrial


def promotion_update(view: PromotionView) -> dict[str, Any]:
    """The status fields that speak of it."""
    return {
        "mode": view.mode,
        "shadow": shadow_status(view.shadow) if view.shadow else None,
        "canary": canary_status(view.canary) if view.canary else None,
    }


def shadow_status(view: ShadowView) -> ShadowStatus:
    standing, evidence, candidate = view.standing, view.evidence, view.evidence.candidate
    return ShadowStatus(
        policy=view.version.name,
        digest=view.version.digest,
        stage=standing.stage,
        since=precise_timestamp(standing.since),
        verdict=view.verdict.code.value,
        message=view.verdict.message,
        samples_since=precise_timestamp(evidence.since),
        samples=round(evidence.decisions),
        observed=format_seconds(evidence.observed_s),
        allocation=allocation_status(view.allocation),
        attainment=_share(candidate.attainment),
        cost_per_hour=_dollars(candidate.cost_per_hour),
        batches=round(candidate.batches),
        rule=_account(evidence.rule),
        measured=_account(evidence.measured),
        regret=_share(evidence.mean_regret),
        agreement=_share(evidence.agreement),
        model_error=ModelErrorStatus(attainment=_share(evidence.attainment_error), cost=_share(evidence.cost_error)),
        promotions=standing.promotions,
        demotions=standing.demotions,
        demotion=_demotion(standing.demotion, view.terms.cool_down_s),
    )


def stored_trial(found: ShadowStatus | None) -> StoredTrial | None:
    """What a status knows of a trial; None where it knows none."""
    if found is None:
        return None
    observed, samples = seconds(found.observed), found.samples
    candidate = AccountStatus(batches=found.batches, attainment=found.attainment, cost_per_hour=found.cost_per_hour)
    return StoredTrial(
        version=PolicyIdentity(found.policy, found.digest),
        allocation=stored_allocation(found.allocation),
        standing=Standing(
            since=parse_timestamp(found.since),
            stage=found.stage,
            promotions=found.promotions,
            demotions=found.demotions,
            demotion=_stored_demotion(found.demotion),
        ),
        evidence=Evidence(
            since=parse_timestamp(found.samples_since),
            observed_s=observed,
            decisions=samples,
            agreed=float(found.agreement or 0) * samples,
            regret=float(found.regret or 0) * samples,
            candidate=_stored_account(candidate, observed),
            rule=_stored_account(found.rule, observed),
            measured=_stored_account(found.measured, observed),
        ),
    )


def canary_status(view: CanaryView) -> CanaryStatus:
    standing = view.standing
    return CanaryStatus(
        canary=view.fingerprint,
        policy=view.name,
        digest=view.digest,
        state=standing.state,
        since=precise_timestamp(standing.since),
        observed=format_seconds(standing.current.seconds),
        baseline=_account(standing.baseline),
        baseline_time=format_seconds(standing.baseline.seconds),
        current=_account(standing.current),
        reason=standing.reason or None,
    )


def stored_canary(found: CanaryStatus | None, fingerprint: str) -> CanaryStanding | None:
    """What a status knows of this canary; None where it knows nothing or another one."""
    if found is None or found.canary != fingerprint:
        return None
    return CanaryStanding(
        since=parse_timestamp(found.since),
        state=found.state,
        baseline=_stored_account(found.baseline, seconds(found.baseline_time)),
        current=_stored_account(found.current, seconds(found.observed)),
        reason=found.reason or "",
    )


def _account(account: Account) -> AccountStatus:
    return AccountStatus(
        batches=round(account.batches),
        attainment=_share(account.attainment),
        cost_per_hour=_dollars(account.cost_per_hour) if account.dollars else None,
    )


def _stored_account(found: AccountStatus, observed_s: float) -> Account:
    """Without a cost nothing was billed, and the seconds are those that batches were counted in."""
    return Account(
        batches=found.batches,
        met=float(found.attainment or 0) * found.batches,
        dollars=float(found.cost_per_hour or 0) * observed_s / 3600,
        seconds=observed_s,
    )


def _demotion(demotion: Demotion | None, cool_down_s: float) -> DemotionStatus | None:
    if demotion is None:
        return None
    return DemotionStatus(
        time=precise_timestamp(demotion.time),
        reason=demotion.code.value,
        message=demotion.detail,
        cooldown_until=precise_timestamp(demotion.time + cool_down_s),
    )


def _stored_demotion(found: DemotionStatus | None) -> Demotion | None:
    return None if found is None else Demotion(parse_timestamp(found.time), FallbackCode(found.reason), found.message)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _dollars(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
