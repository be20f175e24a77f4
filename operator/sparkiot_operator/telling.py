"""Decisions of an audit log, told as the operator told them then, and element by element, which the operator does not.

The policy that decided is asked again, so it must be at hand, with the digest that the log names.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from sparkiot_policies import library
from sparkiot_policies.allocation import ActionClass
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.attribution import Player
from sparkiot_policies.decision import Decision, PolicyIdentity
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.observation import ELEMENTS
from sparkiot_policies.policy import Policy
from sparkiot_policies.rules import names_rule, rule

from .audit import AuditRecord
from .explanation import Against, Baselines, Explanation, attribution_of, explain, sentence
from .times import timestamp

EACH = tuple(Player(element.name, (element.name,)) for element in ELEMENTS)
"""Every element on its own. ``required_next`` follows from two others and has no effect of its own."""
Find = Callable[[PolicyIdentity], Policy | None]


@dataclass(frozen=True, slots=True)
class Told:
    """One decision with all that can be said of it. effects: of single elements on what the explanation is about.
    problem: why there are none, for people."""

    decision: Decision
    explanation: Explanation
    sentence: str
    effects: dict[str, float]
    problem: str

    def to_dict(self) -> dict[str, Any]:
        """What a decision's own JSON lacks."""
        found, attribution = self.explanation, self.explanation.attribution
        causes = dict(attribution.of(found.head)) if attribution else {}
        return {
            "why": self.sentence,
            "explained": found.head,
            "since": timestamp(found.since.time) if found.since else None,
            "causes": {player.name: effect for player, effect in causes.items()},
            "effects": self.effects,
            "rule": found.rule and {"name": found.rule_name, **found.rule.to_dict()},
        }


class Teller:
    """Tells the last decisions of one job. find: a policy by its identity, None where it is not at hand."""

    def __init__(self, find: Find, *, fallback: Policy) -> None:
        self._find = find
        self._fallback = fallback

    def last(self, records: Iterable[AuditRecord], *, most: int, changes: bool) -> list[Told]:
        """The last of a job's records, oldest first. changes: only those that changed the allocation."""
        baselines = Baselines()
        found: deque[tuple[AuditRecord, Against]] = deque(maxlen=most)
        for record in records:
            decision = record.decision
            if not (changes and decision.change is ActionClass.NONE):
                found.append((record, baselines.of(decision)))
            if (policy := self._find(decision.acted)) is not None:
                baselines.remember(decision, policy)
        return [self._tell(record, against) for record, against in found]

    def _tell(self, record: AuditRecord, against: Against) -> Told:
        decision, policy = record.decision, self._find(record.decision.acted)
        head, since = against
        if policy is None:
            problem = f"{decision.acted.name} ({decision.acted.digest}) is not at hand; name its artifact with --policy"
            return Told(decision, Explanation(head=head), record.why or sentence(decision), {}, problem)
        explanation = explain(record.job, record.evaluation, decision, against, policy=policy, fallback=self._fallback)
        as_decided = replace(record.evaluation, observation=decision.observation, weights=decision.weights)
        single = attribution_of(record.job, as_decided, since, policy=policy, players=EACH)
        effects = {player.name: effect for player, effect in single.of(head)} if single else {}
        problem = "" if single else "no earlier decision of this policy to compare with"
        return Told(decision, explanation, record.why or sentence(decision, explanation), effects, problem)


def policies_of(path: Path | None) -> Find:
    """Rules by name, the shipped policies, and the artifact at ``path``. Raises ArtifactError for a damaged one."""
    given = LearnedPolicy(load_artifact(path)) if path else None

    @cache
    def find(identity: PolicyIdentity) -> Policy | None:
        if given is not None and given.identity == identity:
            return given
        try:
            chosen = rule(identity.name) if names_rule(identity.name) else LearnedPolicy(library.load(identity.name))
        except PolicyError:
            return None
        return chosen if chosen.identity == identity else None

    return find
