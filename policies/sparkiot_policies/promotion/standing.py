"""From shadow to active and back: where a policy stands with one job. A value: each step gives a new one."""

import enum
from dataclasses import dataclass, replace

from sparkiot_policies.decision import FallbackCode

from .verdict import Terms, Verdict, VerdictCode


class Stage(enum.StrEnum):
    """How far a policy has come with a job of mode Shadow."""

    SHADOW = "Shadow"
    """The rule acts, the policy is scored beside it."""
    ACTIVE = "Active"
    """The policy was promoted: it acts, inside the envelope."""


@dataclass(frozen=True, slots=True)
class Demotion:
    """When (epoch seconds of job time) and why a policy lost a job; ``detail`` is for people."""

    time: float
    code: FallbackCode
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """since: epoch seconds of job time at which the stage began. promotions, demotions: of this version of the policy.
    demotion: the last one; None while there was none."""

    since: float
    stage: Stage = Stage.SHADOW
    promotions: int = 0
    demotions: int = 0
    demotion: Demotion | None = None

    def cooling_s(self, terms: Terms, now: float) -> float:
        """Seconds for which nothing is promoted after a demotion."""
        return 0.0 if self.demotion is None else max(self.demotion.time + terms.cool_down_s - now, 0.0)

    def promoted(self, terms: Terms, verdict: Verdict, now: float) -> "Standing":
        """Active, once the evidence is enough, the job asks for it and no cool-down is left; else as it is."""
        enough = terms.automatic and verdict.code is VerdictCode.BETTER
        if self.stage is Stage.ACTIVE or not enough or self.cooling_s(terms, now) > 0:
            return self
        return replace(self, stage=Stage.ACTIVE, since=now, promotions=self.promotions + 1)

    def demoted(self, code: FallbackCode, detail: str, now: float) -> "Standing":
        """Back in shadow at once, as the envelope let the rule act."""
        return replace(
            self,
            stage=Stage.SHADOW,
            since=now,
            demotions=self.demotions + 1,
            demotion=Demotion(now, code, detail),
        )

    def withheld(self, now: float) -> "Standing":
        """Back in shadow as the job no longer asks to be promoted: that is no fault of the policy."""
        return replace(self, stage=Stage.SHADOW, since=now)
