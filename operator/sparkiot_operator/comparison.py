"""Several policies over one audit log, in one pass: which decisions differ, and what the simulator makes of that.

A log of a week holds tens of thousands of decisions a job. Of each, counters, the largest differences and the numbers
of ``Course`` are kept, and nothing else.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sparkiot_policies.policy import MetaController, Policy
from sparkiot_sim.recorded.course import Course, Stretch
from sparkiot_sim.recorded.fit import FitError, Fitted, fit
from sparkiot_sim.recorded.play import Outcome, Reality, play
from sparkiot_sim.recorded.play import replay as drive

from .audit import AuditRecord
from .events import JobRef
from .replay import Replayed, Replayer
from .times import timestamp

NOT_LIKE_IT = 0.02
"""Share of looks, and of the bill, by which model and recording may differ before its verdicts are doubted."""
NOT_LIKE_BATCHES = 0.25
"""The same of a batch's duration: ``sparkiot calibrate`` reached 11 % on the machine that it measured."""


class Differences:
    """Where one policy decides otherwise than was recorded. most: differences that are kept, the largest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._largest: list[tuple[tuple[float, ...], int, Replayed]] = []
        self._number = count()
        self._last: dict[JobRef, Replayed] = {}
        self.decisions = self.different = 0
        self.kinds: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.recorded_hours = self.replayed_hours = 0.0

    def add(self, result: Replayed) -> None:
        """Take the next decision of a job in."""
        self.decisions += 1
        self.reasons[result.replayed.reason.value] += 1
        if (before := self._last.get(result.ref)) is not None:
            # A decision stands until the job's next one.
            hours = (result.recorded.time - before.recorded.time) / 3600
            self.recorded_hours += before.recorded.allocation.executors * hours
            self.replayed_hours += before.replayed.allocation.executors * hours
        self._last[result.ref] = result
        if not result.differs:
            return
        self.different += 1
        self.kinds.update(_kinds(result))
        kept = (_size(result), next(self._number), result)
        if len(self._largest) < self._most:
            heapq.heappush(self._largest, kept)
        elif self._most:
            heapq.heappushpop(self._largest, kept)

    @property
    def largest(self) -> list[Replayed]:
        """The largest differences, oldest first."""
        return sorted((result for _, _, result in self._largest), key=lambda result: result.recorded.time)

    def to_dict(self) -> dict[str, Any]:
        return {
            "decisions": self.decisions,
            "different": self.different,
            "kinds": dict(self.kinds.most_common()),
            "executor_hours_recorded": round(self.recorded_hours, 4),
            "executor_hours_replayed": round(self.replayed_hours, 4),
            "reasons": dict(self.reasons.most_common()),
            "largest": [row(result) for result in self.largest],
        }


class Comparison:
    """All policies over all jobs of a log. policies: by the name that they were asked for."""

    def __init__(
        self, policies: Mapping[str, Policy], *, fallback: Policy, meta: MetaController | None, most: int
    ) -> None:
        self._replayers = {name: Replayer(p, fallback=fallback, meta=meta) for name, p in policies.items()}
        self.differences = {name: Differences(most) for name in policies}
        self.courses: dict[str, Course] = {}

    def read(self, records: Iterable[AuditRecord]) -> Iterable[AuditRecord]:
        """Take records in, one after the other, and pass them on."""
        for record in records:
            course = self.courses.setdefault(str(record.ref), Course())
            course.add(record.job, record.evaluation, record.decision)
            for name, replayer in self._replayers.items():
                self.differences[name].add(replayer.step(record))
            yield record


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelled:
    """What the simulator thinks of one job's log. problem: why it cannot say; then the rest is empty. played_s: of
    span_s, which holds the gaps too. recorded: the recorded allocations in the model. outcomes: by policy."""

    job: str
    looks: int
    stretches: int
    played_s: float
    span_s: float
    problem: str = ""
    fitted: Fitted | None = None
    recorded: Outcome | None = None
    reality: Reality | None = None
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def doubts(self) -> list[str]:
        """In what the model is not like what was recorded, in sentences."""
        reality = self.reality
        if reality is None:
            return []
        found = []
        if reality.in_time is not None and reality.modelled_in_time is not None:
            found += _doubt("looks in time", reality.in_time, reality.modelled_in_time, "{:.1%}", NOT_LIKE_IT)
        if reality.cost_dollars and reality.modelled_cost_dollars is not None:
            off = abs(reality.modelled_cost_dollars / reality.cost_dollars - 1)
            if off > NOT_LIKE_IT:
                cost = f"${reality.cost_dollars:.2f} were recorded, ${reality.modelled_cost_dollars:.2f} modelled"
                found.append(f"cost: {cost}")
        if reality.duration_error is not None and reality.duration_error > NOT_LIKE_BATCHES:
            found.append(f"batches: half of them take {reality.duration_error:.0%} more or less time in the model")
        return found

    def to_dict(self) -> dict[str, Any]:
        fitted = self.fitted
        return {
            "job": self.job,
            "decisions": self.looks,
            "stretches": self.stretches,
            "hours": round(self.played_s / 3600, 2),
            "span_hours": round(self.span_s / 3600, 2),
            "problem": self.problem or None,
            "fitted": fitted
            and {
                "rate_per_executor": fitted.profile.rate_per_executor,
                "fixed_s": fitted.calibration.batch.fixed_s.value,
                "startup_s": fitted.calibration.preset(fitted.preset).startup_s.value,
                "trigger_interval_s": fitted.profile.trigger_interval_s,
                "notes": list(fitted.notes),
            },
            "reality": self.reality and self.reality.to_dict(),
            "doubts": self.doubts,
            "recorded": self.recorded and self.recorded.to_dict(),
            "policies": {name: outcome.to_dict() for name, outcome in self.outcomes.items()},
        }


def model(
    name: str,
    course: Course,
    policies: Mapping[str, Policy],
    *,
    fallback: Policy,
    meta: MetaController | None,
    preset: str,
    report: Callable[[int], None],
) -> Modelled:
    """Play one job's recorded load under each policy. preset: for what a log does not say. report: told how many
    looks more were played, over all policies. Raises CalibrationError for an unknown preset."""
    stretches = course.stretches()
    played = sum(stretch.duration_s for stretch in stretches)
    try:
        fitted = fit(stretches, base=preset)
    except FitError as error:
        return Modelled(
            job=name,
            looks=len(course),
            stretches=len(stretches),
            played_s=0.0,
            span_s=course.span_s,
            problem=str(error),
        )
    recorded, reality = drive(stretches, fitted)
    outcomes = {
        policy: play(stretches, fitted, chosen, fallback=fallback, meta=meta, report=report)
        for policy, chosen in policies.items()
    }
    return Modelled(
        job=name,
        looks=len(course),
        stretches=len(stretches),
        played_s=played,
        span_s=course.span_s,
        fitted=fitted,
        recorded=recorded,
        reality=reality,
        outcomes=outcomes,
    )


def looks_to_play(stretches: Sequence[Stretch]) -> int:
    """How many looks ``model`` reports for each policy."""
    return sum(int(s.duration_s // s.job.interval_s) for s in stretches)


def row(result: Replayed) -> dict[str, Any]:
    """A difference for people and machines."""
    return {
        "job": str(result.ref),
        "time": timestamp(result.recorded.time),
        "recorded": str(result.recorded.allocation),
        "replayed": str(result.replayed.allocation),
        "proposed": str(result.replayed.proposal),
        "reason": result.replayed.reason.value,
        "clamps": " ".join(clamp.code.value for clamp in result.replayed.clamps),
    }


def _kinds(result: Replayed) -> list[str]:
    old, new = result.recorded.allocation, result.replayed.allocation
    parts = ("memory", old.memory_mib, new.memory_mib), ("tier", old.tier, new.tier)
    found = [name for name, a, b in (*parts, ("compression", old.compression, new.compression)) if a != b]
    if new.executors != old.executors:
        found.append("more executors" if new.executors > old.executors else "fewer executors")
    return found


def _size(result: Replayed) -> tuple[float, ...]:
    """For ordering: executors first, then memory, then how far apart the tiers are."""
    old, new = result.recorded.allocation, result.replayed.allocation
    return (
        abs(new.executors - old.executors),
        abs(new.memory_mib - old.memory_mib),
        abs(new.tier.code - old.tier.code),
    )


def _doubt(what: str, real: float, modelled: float, form: str, most: float) -> list[str]:
    if abs(real - modelled) <= most:
        return []
    return [f"{what}: {form.format(real)} were recorded, {form.format(modelled)} modelled"]
