"""What earlier decisions leave behind for the next one. A value: each decision gives a new one."""

import math
from dataclasses import dataclass, replace

from .allocation import Allocation
from .decision import Decision, FallbackCode
from .objectives import Weights

NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a policy asked for at a time, before the envelope; for stabilisation windows.

    memory_mib: None where only the count matters.
    """

    time: float
    executors: int
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True)
class ScaleUp:
    """A run of scale-ups whose effect is still to be judged.

    time: epoch seconds of its last step. executors, processing_rate, workload_rate (messages/s): before its first.
    """

    time: float
    executors: int
    processing_rate: float | None
    workload_rate: float | None


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why the fallback rule acts, and until when (epoch seconds)."""

    code: FallbackCode
    detail: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One job's past, as far as decisions need it.

    since: epoch seconds from which this history is complete. allocation: the one desired now.
    scaled_up, scaled_down, shuffled, restarted: epoch seconds of the last change of that kind, -inf for never.
    proposals: oldest first, within ``keep_s``. last_scale_up: None once executors were taken away again.
    fallback: the last one, None before the first. weights: reward weights of the last decision.
    """

    since: float
    allocation: Allocation
    scaled_up: float = NEVER
    scaled_down: float = NEVER
    shuffled: float = NEVER
    restarted: float = NEVER
    proposals: tuple[Proposal, ...] = ()
    last_scale_up: ScaleUp | None = None
    fallback: Fallback | None = None
    weights: Weights | None = None

    def after(
        self,
        decision: Decision,
        *,
        keep_s: float,
        fallback_s: float,
        processing_rate: float | None,
        taken: bool = True,
    ) -> "History":
        """The history once ``decision`` is taken.

        keep_s: how long proposals matter, and how close two scale-ups belong together. fallback_s: how long a new
        fallback lasts. processing_rate: messages/s of the job now, to judge a scale-up by. taken: False for a decision
        that was only advised: what was proposed is remembered, the allocation stays.
        """
        now = decision.time
        recent = [p for p in self.proposals if p.time >= now - keep_s]
        remembered = replace(
            self,
            proposals=(*recent, Proposal(now, decision.proposal.executors, decision.proposal.memory_mib)),
            fallback=self._fallback(decision, fallback_s),
            weights=decision.weights,
        )
        if not taken or decision.allocation == self.allocation:
            return remembered
        old, new = self.allocation, decision.allocation
        up, down = new.executors > old.executors, new.executors < old.executors
        shuffled = (new.tier, new.compression) != (old.tier, old.compression)
        return replace(
            remembered,
            allocation=new,
            scaled_up=now if up else self.scaled_up,
            scaled_down=now if down else self.scaled_down,
            shuffled=now if shuffled else self.shuffled,
            restarted=now if new.memory_mib != old.memory_mib else self.restarted,
            last_scale_up=self._scale_up(decision, keep_s, processing_rate) if up or down else self.last_scale_up,
        )

    def _scale_up(self, decision: Decision, together_s: float, processing_rate: float | None) -> ScaleUp | None:
        """Steps that follow each other closely are judged as one: the effect of the first is not yet measurable."""
        now, before, last = decision.time, self.allocation.executors, self.last_scale_up
        if decision.allocation.executors < before:
            return None
        if last is not None and now - last.time < together_s:
            return replace(last, time=now)
        return ScaleUp(now, before, processing_rate, decision.observation.workload_rate)

    def _fallback(self, decision: Decision, fallback_s: float) -> Fallback | None:
        lasts = self.fallback is not None and decision.time < self.fallback.until
        if decision.fallback is None or lasts:
            return self.fallback
        return Fallback(decision.fallback, decision.detail, decision.time + fallback_s)
