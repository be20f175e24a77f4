"""What shadow, promotion and canary of a job are now."""

from sparkiot_operator.promotion.view import CanaryView, ShadowView
from sparkiot_operator.status import Cycle

from .families import Family, Read, Readings, single


def _shadow(cycle: Cycle) -> ShadowView | None:
    return cycle.promotion.shadow if cycle.promotion else None


def _canary(cycle: Cycle) -> CanaryView | None:
    return cycle.promotion.canary if cycle.promotion else None


def _attainment(cycle: Cycle) -> Readings:
    if (shadow := _shadow(cycle)) is not None:
        yield ("policy",), shadow.evidence.candidate.attainment
        yield ("rule",), shadow.evidence.rule.attainment
        yield ("measured",), shadow.evidence.measured.attainment


def _cost(cycle: Cycle) -> Readings:
    if (shadow := _shadow(cycle)) is not None:
        yield ("policy",), shadow.evidence.candidate.cost_per_hour
        yield ("rule",), shadow.evidence.rule.cost_per_hour
        yield ("measured",), shadow.evidence.measured.cost_per_hour


def _verdict(cycle: Cycle) -> Readings:
    if (shadow := _shadow(cycle)) is not None:
        yield (shadow.verdict.code.value,), 1


def _canary_attainment(cycle: Cycle) -> Readings:
    if (canary := _canary(cycle)) is not None:
        yield ("baseline",), canary.standing.baseline.attainment
        yield ("current",), canary.standing.current.attainment


def _state(cycle: Cycle) -> Readings:
    if (canary := _canary(cycle)) is not None:
        yield (canary.standing.state.value,), 1


PROMOTION_GAUGES: tuple[Read[Cycle], ...] = (
    Read(
        Family(
            "sparkiot_job_mode_info", "1 for the mode in force: Active once a policy in shadow was promoted.", ("mode",)
        ),
        lambda c: [((c.promotion.mode.value,), 1)] if c.promotion else (),
    ),
    Read(
        Family(
            "sparkiot_job_shadow_attainment_ratio",
            "Share of micro-batches within the objective: policy and rule by the model, and measured under the rule.",
            ("of",),
        ),
        _attainment,
    ),
    Read(
        Family(
            "sparkiot_job_shadow_cost_dollars_per_hour",
            "Cost of policy and rule by the model, and measured under the rule.",
            ("of",),
        ),
        _cost,
    ),
    Read(
        Family(
            "sparkiot_job_shadow_regret_ratio",
            "Reward of the rule's decisions less that of the policy in shadow, in bills of the mean load.",
        ),
        lambda c: single(s.evidence.mean_regret if (s := _shadow(c)) else None),
    ),
    Read(
        Family("sparkiot_job_shadow_agreement_ratio", "Share of decisions on as many executors as the rule has."),
        lambda c: single(s.evidence.agreement if (s := _shadow(c)) else None),
    ),
    Read(
        Family("sparkiot_job_shadow_samples", "Decisions of the policy in shadow that the verdict rests on."),
        lambda c: single(s.evidence.decisions if (s := _shadow(c)) else None),
    ),
    Read(
        Family(
            "sparkiot_job_shadow_verdict_info", "1 for what the evidence says of the policy in shadow.", ("verdict",)
        ),
        _verdict,
    ),
    Read(
        Family(
            "sparkiot_job_promotions", "How often this version of the policy was promoted; the job's status keeps it."
        ),
        lambda c: single(s.standing.promotions if (s := _shadow(c)) else None),
    ),
    Read(
        Family(
            "sparkiot_job_demotions", "How often this version of the policy was demoted; the job's status keeps it."
        ),
        lambda c: single(s.standing.demotions if (s := _shadow(c)) else None),
    ),
    Read(
        Family("sparkiot_job_canary_info", "1 for what the job does in a canary.", ("state",)),
        _state,
    ),
    Read(
        Family(
            "sparkiot_job_canary_attainment_ratio",
            "Share of micro-batches within the objective before the canary (baseline), and since (current).",
            ("phase",),
        ),
        _canary_attainment,
    ),
)
