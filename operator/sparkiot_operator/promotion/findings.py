"""The conditions Promoted and CanaryHealthy."""

from collections.abc import Iterable

from sparkiot_operator.conditions import Finding
from sparkiot_operator.reasons import CanaryReason, PromotionReason
from sparkiot_operator.resource.status import Condition, ConditionType
from sparkiot_operator.times import format_seconds
from sparkiot_policies.promotion.canary import CanaryState
from sparkiot_policies.promotion.standing import Stage
from sparkiot_policies.promotion.verdict import VerdictCode

from .view import CanaryView, PromotionView, ShadowView

HEALTHY: dict[CanaryState, bool | None] = {
    CanaryState.BASELINE: None,
    CanaryState.TRIAL: True,
    CanaryState.CONTROL: True,
    CanaryState.PASSED: True,
    CanaryState.WITHDRAWN: False,
}


def promotion_findings(view: PromotionView | None, known: Iterable[Condition]) -> list[Finding]:
    """Of a job that is in a shadow or a canary, or was. known: the conditions that its status has."""
    had = {condition.type for condition in known}
    shadow, canary = (view.shadow, view.canary) if view else (None, None)
    found = []
    if shadow is not None:
        found.append(_promoted(shadow))
    elif ConditionType.PROMOTED in had:
        found.append(
            Finding(ConditionType.PROMOTED, None, PromotionReason.NOT_IN_SHADOW, "spec.scaling.mode is not Shadow")
        )
    if canary is not None:
        found.append(_healthy(canary))
    elif ConditionType.CANARY_HEALTHY in had:
        found.append(
            Finding(ConditionType.CANARY_HEALTHY, None, CanaryReason.NO_CANARY, "spec.policy.canary is absent")
        )
    return found


def _promoted(view: ShadowView) -> Finding:
    name, type_ = view.version.name, ConditionType.PROMOTED
    if view.standing.stage is Stage.ACTIVE:
        return Finding(type_, True, PromotionReason.PROMOTED, f"{name} acts: {view.verdict.message}")
    if view.standing.demotion is not None and view.cooling_s > 0:
        demotion = view.standing.demotion
        message = (
            f"the rule acts, as it had to for {name} ({demotion.code.value}): {demotion.detail}; nothing is promoted "
            f"for {format_seconds(view.terms.cool_down_s)} after that"
        )
        return Finding(type_, False, PromotionReason.DEMOTED, message)
    message = f"the rule acts; {name}: {view.verdict.message}"
    if view.verdict.code is VerdictCode.BETTER and not view.terms.automatic:
        message += "; spec.scaling.mode Active lets it act"
    return Finding(type_, False, view.verdict.code.value, message)


def _healthy(view: CanaryView) -> Finding:
    standing, state = view.standing, view.standing.state
    message = {
        CanaryState.BASELINE: "the job's attainment is taken before anything is tried",
        CanaryState.TRIAL: f"the job tries {view.name}",
        CanaryState.CONTROL: f"the job keeps its policy; others are compared with it as they try {view.name}",
        CanaryState.PASSED: f"the job tries {view.name} and has kept its attainment",
        CanaryState.WITHDRAWN: f"{view.name} was withdrawn: {standing.reason}",
    }[state]
    return Finding(ConditionType.CANARY_HEALTHY, HEALTHY[state], state.value, message)
