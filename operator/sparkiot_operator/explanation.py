"""Why a decision was taken, in a sentence: what moved the proposal, what the rule would have done, what was clamped.

*Since when.* Effects are against the newest earlier observation at which the same policy wanted no more than what is in
force, of a change upwards, or no less, of one downwards: so they add up to the proposal now less the one then, and show
the way that the change goes. A job's first decisions have no such observation, and then the sentence names no causes.

Nothing is computed in cycles that change nothing, nor twice for a change that stays, as one that is only advised does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.attribution import HEADS, Attribution, Player, attribute, numbers
from sparkiot_policies.causes import CAUSES
from sparkiot_policies.decision import Decision, PolicyIdentity
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.observation import Observation
from sparkiot_policies.policy import Policy

from .phrases import because

LEAST_EFFECT = 0.05
"""Of an executor, a GiB, or an index: smaller ones are not named."""
MOST_CAUSES = 3
UNITS = {"executors": " executors", "memory": " GiB"}
"""Of effects that are numbers to people; an index is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed at an earlier time, epoch seconds."""

    time: float
    observation: Observation


Against = tuple[str, Seen | None]
"""The part of an allocation that changed, and the earlier observation to explain it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Of one decision. head: the part of the allocation that is explained. attribution: None without an earlier
    observation to compare with; since: that observation's. rule: what it would have asked for; rule_name: its name.
    None where a rule acted anyway, or could not say."""

    head: str
    attribution: Attribution | None = None
    since: Seen | None = None
    rule_name: str | None = None
    rule: Allocation | None = None


class Baselines:
    """The newest observation for each value that a policy proposed: at most as many as there are values."""

    def __init__(self) -> None:
        self._acted: PolicyIdentity | None = None
        self._seen: dict[tuple[str, float], Seen] = {}

    def remember(self, decision: Decision, policy: Policy) -> None:
        """Take a decision in. policy: whose proposal it is; one that lacked a measurement proposed nothing."""
        if decision.acted != self._acted:
            self._acted = decision.acted
            self._seen.clear()
        if any(getattr(decision.observation, name) is None for name in policy.needs()):
            return
        seen = Seen(decision.time, decision.observation)
        for head, value in zip(HEADS, numbers(decision.proposal), strict=True):
            self._seen[head, value] = seen

    def of(self, decision: Decision) -> Against:
        """The part that changed, and the observation to explain it by."""
        before, after = numbers(decision.previous), numbers(decision.allocation)
        at = next((i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new), 0)
        head, old, up = HEADS[at], before[at], after[at] > before[at]
        found = [
            seen
            for (name, value), seen in self._seen.items()
            if name == head and (value <= old if up else value >= old)
        ]
        same = decision.acted == self._acted
        return head, max(found, key=lambda seen: seen.time) if found and same else None


class Explainer:
    """Explains the decisions of one job, in their order."""

    def __init__(self) -> None:
        self._baselines = Baselines()
        self._last: tuple[object, str] = (None, "")

    def step(self, job: Job, evaluation: Evaluation, decision: Decision, *, policy: Policy, fallback: Policy) -> str:
        """The sentence for a decision that changes something; else empty. policy: whose proposal it is."""
        text = ""
        if decision.allocation != decision.previous:
            key = (decision.previous, decision.proposal, decision.allocation, decision.reason, decision.acted)
            if self._last[0] != key:
                against = self._baselines.of(decision)
                found = explain(job, evaluation, decision, against, policy=policy, fallback=fallback)
                self._last = key, sentence(decision, found)
            text = self._last[1]
        else:
            self._last = None, ""
        self._baselines.remember(decision, policy)
        return text


def explain(
    job: Job,
    evaluation: Evaluation,
    decision: Decision,
    against: Against,
    *,
    policy: Policy,
    fallback: Policy,
) -> Explanation:
    """Explain one decision. against: see ``Baselines.of``. Whatever cannot be said is left out."""
    head, since = against
    # What the weights became by the meta-controller is in the decision, not in the evaluation.
    evaluation = replace(evaluation, observation=decision.observation, weights=decision.weights)
    name, rule = None, None
    if decision.acted != fallback.identity:
        try:
            name, rule = fallback.identity.name, fallback.propose(job, evaluation)
        except PolicyError:
            name = None
    return Explanation(
        head=head,
        attribution=attribution_of(job, evaluation, since, policy=policy, players=CAUSES),
        since=since,
        rule_name=name,
        rule=rule,
    )


def attribution_of(
    job: Job, evaluation: Evaluation, since: Seen | None, *, policy: Policy, players: Sequence[Player]
) -> Attribution | None:
    """Effects since an earlier observation; None without one, or where the policy cannot say."""
    if since is None:
        return None
    try:
        return attribute(policy, job, evaluation, since.observation, players)
    except PolicyError:
        return None


def sentence(decision: Decision, explanation: Explanation | None = None) -> str:
    """What changed, by whom, why, what the rule would have asked for, and what the envelope did about it."""
    before, after = decision.previous.to_dict(), decision.allocation.to_dict()
    changes = ", ".join(
        f"{field} {before[field]} -> {after[field]}" for field in after if before[field] != after[field]
    )
    text = f"{decision.acted.name}: {changes or 'no change'} ({decision.reason.value})"
    if decision.fallback:
        text += f" in place of {decision.policy.name} ({decision.fallback.value})"
    if explanation is not None:
        if causes := _causes(decision, explanation):
            text += f": {causes}"
        if explanation.rule is not None:
            asked = explanation.rule.executors if explanation.head == "executors" else explanation.rule
            text += f"; {explanation.rule_name} would have asked for {asked}"
    clamps = dict.fromkeys(f"{clamp.message} ({clamp.code.value})" for clamp in decision.clamps)
    return "; ".join((text, *clamps))


def _causes(decision: Decision, explanation: Explanation) -> str:
    attribution, since = explanation.attribution, explanation.since
    if attribution is None or since is None:
        return ""
    unit = UNITS.get(explanation.head)
    parts: list[str] = []
    for player, effect in attribution.of(explanation.head)[:MOST_CAUSES]:
        if abs(effect) >= LEAST_EFFECT:
            size = f" ({effect:+.1f}{'' if parts else unit})" if unit else ""
            parts.append(because(player, decision.observation, since.observation) + size)
    return ", ".join(parts)
