"""What the page remembers of each job: the numbers of its last cycles, and the decisions that stand out.

Bounded: ``SAMPLES`` cycles and ``ENTRIES`` decisions a job, and nothing of jobs that are gone.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from sparkiot_operator.audit import AuditRecord
from sparkiot_operator.events import JobRef
from sparkiot_operator.explanation import sentence
from sparkiot_operator.replay import Replayer
from sparkiot_policies.allocation import ActionClass, Tier
from sparkiot_policies.decision import Decision
from sparkiot_policies.job import Mode
from sparkiot_policies.policy import Policy

SAMPLES = 360
"""An hour of a job that decides every 10 s."""
ENTRIES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One cycle in numbers. None is missing.

    time: job time, epoch seconds. load, forecast: messages/s. running, decided, rule: executors; ``rule`` is what the
    rule would have decided there. latency_s, target_s: seconds, at the objective's quantile. change: up, down or other
    where the decision changed something. held: whether the envelope changed the proposal.
    """

    time: float
    load: float | None = None
    forecast: float | None = None
    running: int | None = None
    decided: int | None = None
    rule: int | None = None
    latency_s: float | None = None
    target_s: float | None = None
    tier: Tier | None = None
    change: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A decision that stands out: it changed something, another bound held it back, or another policy made it.

    moved: executors more or less. clamps: codes. fallback: why a rule acted for the policy.
    """

    time: float
    reason: str
    message: str
    policy: str
    moved: int | None = None
    clamps: tuple[str, ...] = ()
    fallback: str | None = None

    def news_after(self, before: "Entry | None") -> bool:
        """Whether it tells something beside its change. That nothing holds it back any more is no news."""
        if before is None or (self.policy, self.fallback) != (before.policy, before.fallback):
            return True
        return bool(self.clamps) and self.clamps != before.clamps


class Timeline:
    """One job's. rule: name of the one that it is compared with; None where nobody could. decision: the newest.

    verb: what its decisions are; those of mode Advise are not followed.
    """

    def __init__(self, ref: JobRef) -> None:
        self.ref = ref
        self.samples: deque[Sample] = deque(maxlen=SAMPLES)
        self.entries: deque[Entry] = deque(maxlen=ENTRIES)
        self.decision: Decision | None = None
        self.rule: str | None = None
        self.verb = "decided"

    def add(self, sample: Sample) -> None:
        """Samples follow each other; a simulation that begins again, or the same look twice, does not mix them."""
        if self.samples and sample.time <= self.samples[-1].time:
            if sample.time == self.samples[-1].time:
                return
            self.samples.clear()
        self.samples.append(sample)

    def note(self, entry: Entry, *, changed: bool) -> None:
        if changed or entry.news_after(self.entries[-1] if self.entries else None):
            self.entries.append(entry)


class Timelines:
    """All jobs' timelines, by namespace and name."""

    def __init__(self) -> None:
        self._timelines: dict[tuple[str, str], Timeline] = {}
        self._replayers: dict[tuple[str, str], tuple[Policy, Replayer]] = {}

    def record(self, record: AuditRecord, rule: Policy) -> None:
        """Take a decision in, and decide it again by the rule that the job falls back on."""
        timeline = self.timeline(record.ref)
        evaluation, decision = record.evaluation, record.decision
        seen = evaluation.observation
        replayed = self._replayer(record.ref, rule).step(record)
        timeline.rule, timeline.decision = rule.identity.name, decision
        timeline.verb = "advised" if record.job.mode is Mode.ADVISE else "decided"
        timeline.add(
            Sample(
                time=decision.time,
                load=seen.workload_rate,
                forecast=seen.predicted_rate,
                running=evaluation.running,
                decided=decision.allocation.executors,
                rule=replayed.replayed.allocation.executors,
                latency_s=None if seen.latency is None else seen.latency / 1000,
                target_s=record.job.objectives.latency_target_ms / 1000,
                tier=decision.allocation.tier,
                change=_change(decision),
                held=bool(decision.clamps),
            )
        )
        entry = Entry(
            time=decision.time,
            reason=decision.reason.value,
            message=record.why or sentence(decision),
            policy=decision.acted.name,
            moved=decision.allocation.executors - decision.previous.executors,
            clamps=tuple(dict.fromkeys(clamp.code.value for clamp in decision.clamps)),
            fallback=decision.fallback.value if decision.fallback else None,
        )
        timeline.note(entry, changed=decision.change is not ActionClass.NONE)

    def timeline(self, ref: JobRef) -> Timeline:
        """The job's own; an empty one for a job that is new, also where another had its name."""
        key = (ref.namespace, ref.name)
        found = self._timelines.get(key)
        if found is None or found.ref.uid != ref.uid:
            found = self._timelines[key] = Timeline(ref)
            self._replayers.pop(key, None)
        return found

    def find(self, ref: JobRef) -> Timeline | None:
        found = self._timelines.get((ref.namespace, ref.name))
        return found if found is not None and found.ref.uid == ref.uid else None

    def keep(self, refs: Collection[JobRef]) -> None:
        """Forget every other job."""
        names = {(ref.namespace, ref.name) for ref in refs}
        for key in self._timelines.keys() - names:
            del self._timelines[key]
            self._replayers.pop(key, None)

    def forget(self, ref: JobRef) -> None:
        if self.find(ref) is not None:
            del self._timelines[ref.namespace, ref.name]
            self._replayers.pop((ref.namespace, ref.name), None)

    def _replayer(self, ref: JobRef, rule: Policy) -> Replayer:
        known = self._replayers.get((ref.namespace, ref.name))
        if known is not None and known[0] == rule:
            return known[1]
        replayer = Replayer(rule, fallback=rule, meta=None)
        self._replayers[ref.namespace, ref.name] = (rule, replayer)
        return replayer


def _change(decision: Decision) -> str | None:
    if decision.change is ActionClass.NONE:
        return None
    moved = decision.allocation.executors - decision.previous.executors
    return direction(moved) if moved else "other"


def direction(moved: int) -> str:
    return "up" if moved > 0 else "down"
