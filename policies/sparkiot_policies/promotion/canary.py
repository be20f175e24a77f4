"""A new version of a policy for a share of the jobs, and when it is taken away again.

The jobs of one namespace that state the same canary belong together. Each first runs on with the version it has, until
its attainment is known (Baseline); then a number drawn from its uid says whether it tries the new version (Trial) or
goes on as it is and is watched alike (Control). How far a job has fallen is its baseline's attainment less that since.
The canary is withdrawn from all of them as soon as one trial has fallen by more than the margin beyond what the
controls have fallen together, as load and cluster change for these as well, or as soon as a fallback rule had to act
for one. One job is enough: a false alarm costs another try, a miss costs the objective of a share of the jobs.
"""

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .evidence import NOTHING, Account

BUCKETS = 2**32


class CanaryState(enum.StrEnum):
    """What a job does in a canary."""

    BASELINE = "Baseline"
    """Its attainment under the version that it has is not known for long enough."""
    TRIAL = "Trial"
    """It tries the new version."""
    CONTROL = "Control"
    """It keeps its version, and the trials are compared with it."""
    PASSED = "Passed"
    """It tries the new version, and kept its attainment for as long as the canary asks for."""
    WITHDRAWN = "Withdrawn"
    """The new version was taken away from it; it is not tried again until the canary is edited."""


TRYING = frozenset({CanaryState.TRIAL, CanaryState.PASSED})
"""States in which the new version acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryTerms:
    """share: of the jobs, 0 to 1. margin: of attainment. observe_s, batches: of a baseline and of a trial, at least."""

    share: float = 0.1
    margin: float = 0.01
    observe_s: float = 3600.0
    batches: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStanding:
    """One job in a canary. since: epoch seconds of job time at which the state began. baseline, current: before and
    since then. reason: why it was withdrawn."""

    since: float
    state: CanaryState = CanaryState.BASELINE
    baseline: Account = NOTHING
    current: Account = NOTHING
    reason: str = ""

    @property
    def fallen(self) -> float | None:
        """By how much its attainment is below that of its baseline; negative where it rose."""
        before, after = self.baseline.attainment, self.current.attainment
        return before - after if before is not None and after is not None else None

    def counted(self, terms: CanaryTerms, seen: Account) -> "CanaryStanding":
        """With the batches of one more interval; of a long time the older half counts less, see Evidence."""
        if self.state is CanaryState.WITHDRAWN:
            return self
        if self.state is CanaryState.BASELINE:
            return replace(self, baseline=_forgetting(terms, self.baseline.plus(seen)))
        return replace(self, current=_forgetting(terms, self.current.plus(seen)))

    def advanced(self, terms: CanaryTerms, *, uid: str, canary: str, now: float) -> "CanaryStanding":
        """The next state once there is enough to go by, or when the share is another."""
        if self.state is CanaryState.WITHDRAWN:
            return self
        if self.state is CanaryState.BASELINE and not _enough(terms, self.baseline):
            return self
        chosen = bucket(uid, canary) < terms.share
        if chosen != (self.state in TRYING) or self.state is CanaryState.BASELINE:
            state = CanaryState.TRIAL if chosen else CanaryState.CONTROL
            # What a control did meanwhile is its newest baseline; what a trial did is none.
            known = self.state is CanaryState.CONTROL and _enough(terms, self.current)
            baseline = self.current if known else self.baseline
            return replace(self, state=state, since=now, baseline=baseline, current=NOTHING)
        if self.state is CanaryState.TRIAL and _enough(terms, self.current):
            return replace(self, state=CanaryState.PASSED, since=now)
        return self

    def withdrawn(self, reason: str, now: float) -> "CanaryStanding":
        return replace(self, state=CanaryState.WITHDRAWN, since=now, reason=reason)


def bucket(uid: str, canary: str) -> float:
    """A job's place in a canary, from 0 to below 1: the same at every look, so that a larger share keeps the jobs of a
    smaller one."""
    digest = hashlib.sha256(f"{canary}/{uid}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / BUCKETS


def why_withdrawn(terms: CanaryTerms, own: CanaryStanding, others: Iterable[CanaryStanding]) -> str | None:
    """Why the canary must be taken away by what this job sees; None while it may stay.

    others: the rest of the group; of these the controls count.
    """
    fallen = own.fallen
    if own.state not in TRYING or own.current.batches < terms.batches or fallen is None:
        return None
    expected = max(_fallen_together(terms, others), 0.0)
    if fallen <= expected + terms.margin:
        return None
    return (
        f"attainment fell from {own.baseline.attainment:.2%} to {own.current.attainment:.2%}; jobs that keep their "
        f"version explain {expected:.2%} of that, and {terms.margin:.2%} is allowed"
    )


def _fallen_together(terms: CanaryTerms, others: Iterable[CanaryStanding]) -> float:
    """By how much the controls fell, each with the weight of its batches; 0 without any."""
    falls = [
        (other.fallen, other.current.batches)
        for other in others
        if other.state is CanaryState.CONTROL and other.current.batches >= terms.batches
    ]
    total = sum(batches for fallen, batches in falls if fallen is not None)
    return sum(fallen * batches for fallen, batches in falls if fallen is not None) / total if total else 0.0


def _enough(terms: CanaryTerms, account: Account) -> bool:
    return account.seconds >= terms.observe_s and account.batches >= terms.batches


def _forgetting(terms: CanaryTerms, account: Account) -> Account:
    much = account.seconds >= 2 * terms.observe_s and account.batches >= 2 * terms.batches
    return account.times(0.5) if much else account
