"""An audit log decided again by another policy: where would it have differed?

Each record holds all that the decision read, so replaying the policy that decided gives the same decisions. Another
policy meets the world that the first one made (running executors, backlog): a difference is what it would have done
next, not what would have followed from it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sparkiot_policies.controller import remembered_s
from sparkiot_policies.decide import decide
from sparkiot_policies.decision import Decision
from sparkiot_policies.history import Proposal
from sparkiot_policies.policy import MetaController, Policy

from .audit import AuditRecord
from .events import JobRef


@dataclass(frozen=True, slots=True)
class Replayed:
    """One recorded decision and what the replayed policy decides in its place."""

    ref: JobRef
    recorded: Decision
    replayed: Decision

    @property
    def differs(self) -> bool:
        return self.recorded.allocation != self.replayed.allocation


class Replayer:
    """Decides records again, each job's in their order, by one policy."""

    def __init__(self, policy: Policy, *, fallback: Policy, meta: MetaController | None) -> None:
        self._policy = policy
        self._fallback = fallback
        self._meta = meta
        self._proposals: dict[JobRef, tuple[Proposal, ...]] = {}

    def step(self, record: AuditRecord) -> Replayed:
        """Decide one again. The proposals that stabilisation looks back on are the replayed policy's own."""
        evaluation, recorded = record.evaluation, record.decision
        own = self._proposals.get(record.ref, ())
        if self._policy.identity != recorded.policy:
            history = replace(evaluation.history, proposals=own, fallback=None)
            evaluation = replace(evaluation, history=history)
        decision = decide(record.job, evaluation, self._policy, fallback=self._fallback, meta=self._meta)
        kept = remembered_s(record.job)
        recent = tuple(p for p in own if p.time >= decision.time - kept)
        self._proposals[record.ref] = (
            *recent,
            Proposal(decision.time, decision.proposal.executors, decision.proposal.memory_mib),
        )
        return Replayed(record.ref, recorded, decision)


def replay(
    records: Iterable[AuditRecord], policy: Policy, *, fallback: Policy, meta: MetaController | None
) -> Iterator[Replayed]:
    """Decide each record again."""
    replayer = Replayer(policy, fallback=fallback, meta=meta)
    yield from map(replayer.step, records)
