"""The rule of promotion: no worse in anything that counts, and better in something.

a = attainment of the policy by the model    A = of the rule by the same model    m, M = cost per hour alike

observed for long enough, over enough decisions                                Gathering
|A - measured attainment| and |M / measured cost - 1| at most max model error  ModelUnfit
a >= A - margin, and a >= the objective's quantile where A is                  AttainmentWorse
m <= M · (1 + margin)                                                          Dearer
a >= A + margin, or m <= M · (1 - margin)                                      NotBetter
mean regret by the job's own weights at most 0                                 Regretted
otherwise                                                                      Better
"""

import enum
from dataclasses import dataclass

from .evidence import Evidence


class VerdictCode(enum.StrEnum):
    """What the evidence says of a policy in shadow."""

    GATHERING = "Gathering"
    """It was not observed for long enough, or over too few decisions."""
    MODEL_UNFIT = "ModelUnfit"
    """The model of the job is too far from what was measured, or nothing was measured that it could be held against."""
    ATTAINMENT_WORSE = "AttainmentWorse"
    """The policy would lose more of the objective than the margin allows, or miss it where the rule keeps it."""
    DEARER = "Dearer"
    """The policy would cost more than the margin allows."""
    NOT_BETTER = "NotBetter"
    """The policy would neither keep the objective better nor cost less, by the margin."""
    REGRETTED = "Regretted"
    """By the job's own reward weights the rule does better."""
    BETTER = "Better"
    """The policy may be promoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a job asks of a policy. Raises ValueError for terms that no evidence can be held against.

    automatic: the operator promotes by itself. observe_s, decisions: least evidence. attainment_margin: share of
    batches; cost_margin: share of the rule's cost. max_model_error: share, of attainment and of cost alike.
    cool_down_s: after a demotion.
    """

    automatic: bool = False
    observe_s: float = 86400.0
    decisions: int = 1000
    attainment_margin: float = 0.005
    cost_margin: float = 0.05
    max_model_error: float = 0.1
    cool_down_s: float = 86400.0

    def __post_init__(self) -> None:
        if self.decisions < 1:
            raise ValueError(f"decisions is {self.decisions}, must be at least 1")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence says, and in words why."""

    code: VerdictCode
    message: str


def judge(terms: Terms, evidence: Evidence, *, quantile: float) -> Verdict:
    """Whether the evidence is enough. quantile: share of batches that the job's objective asks for."""
    if evidence.observed_s < terms.observe_s or evidence.decisions < terms.decisions:
        return Verdict(
            VerdictCode.GATHERING,
            f"observed for {evidence.observed_s / 3600:.2f} of {terms.observe_s / 3600:.2f} h and "
            f"{evidence.decisions:.0f} of {terms.decisions} decisions",
        )
    if (problem := _unfit(terms, evidence)) is not None:
        return Verdict(VerdictCode.MODEL_UNFIT, problem)
    return _compared(terms, evidence, quantile)


def _compared(terms: Terms, evidence: Evidence, quantile: float) -> Verdict:
    """The first line of the rule that fails. A missing regret is none: nothing was decided differently."""
    attainment, cost = evidence.candidate.attainment, evidence.candidate.cost_per_hour
    base, base_cost, regret = evidence.rule.attainment, evidence.rule.cost_per_hour, evidence.mean_regret or 0.0
    if attainment is None or cost is None or base is None or base_cost is None:
        return Verdict(VerdictCode.MODEL_UNFIT, "the model completed no batch")
    margin, share = terms.attainment_margin, terms.cost_margin
    lines = (
        (VerdictCode.ATTAINMENT_WORSE, attainment < base - margin or attainment < quantile <= base),
        (VerdictCode.DEARER, cost > base_cost * (1 + share)),
        (VerdictCode.NOT_BETTER, attainment < base + margin and cost > base_cost * (1 - share)),
        (VerdictCode.REGRETTED, regret > 0),
    )
    return Verdict(
        next((code for code, failed in lines if failed), VerdictCode.BETTER),
        f"attainment {attainment:.2%} beside the rule's {base:.2%}, ${cost:.2f} beside ${base_cost:.2f} an hour, "
        f"regret {regret:+.3f}",
    )


def _unfit(terms: Terms, evidence: Evidence) -> str | None:
    for name, error in (("attainment", evidence.attainment_error), ("cost", evidence.cost_error)):
        if error is None:
            return f"no {name} was measured that the model could be held against"
        if error > terms.max_model_error:
            return f"the model's {name} under the rule is {error:.1%} off, at most {terms.max_model_error:.1%} may be"
    return None
