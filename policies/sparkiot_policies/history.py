"""What earlier decisions leave behind for the next one. A value: each decision gives a new one."""

import math
from dataclasses import dataclass, replace

from .allocation import Allocation
from .decision import Decision
from .objectives import Weights

NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy's own executor count at a time, before the envelope; for stabilisation windows."""

    time: float
    executors: int


@dataclass(frozen=True, slots=True)
class ScaleUp:
    """A scale-up whose effect is still to be judged: executors and processing rate (messages/s) before it."""

    time: float
    executors: int
    processing_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One job's past, as far as decisions need it.

    since: epoch seconds from which this history is complete. allocation: the one desired now.
    scaled_up, scaled_down, shuffled, restarted: epoch seconds of the last change of that kind, -inf for never.
    proposals: oldest first, within ``keep_s``. last_scale_up: see ScaleUp. fallback_until: the rule acts until then.
    weights: reward weights of the last decision.
    """

    since: float
    allocation: Allocation
    scaled_up: float = NEVER
    scaled_down: float = NEVER
    shuffled: float = NEVER
    restarted: float = NEVER
    proposals: tuple[Proposal, ...] = ()
    last_scale_up: ScaleUp | None = None
    fallback_until: float = NEVER
    weights: Weights | None = None

    def after(
        self, decision: Decision, *, keep_s: float, fallback_s: float, processing_rate: float | None
    ) -> "History":
        """The history once ``decision`` is taken. keep_s: how long proposals matter. fallback_s: how long a new
        fallback lasts. processing_rate: messages/s of the job now, to judge a scale-up by."""
        now, old, new = decision.time, self.allocation, decision.allocation
        up, down = new.executors > old.executors, new.executors < old.executors
        shuffled = (new.tier, new.compression) != (old.tier, old.compression)
        recent = [p for p in self.proposals if p.time >= now - keep_s]
        return replace(
            self,
            allocation=new,
            scaled_up=now if up else self.scaled_up,
            scaled_down=now if down else self.scaled_down,
            shuffled=now if shuffled else self.shuffled,
            restarted=now if new.memory_mib != old.memory_mib else self.restarted,
            proposals=(*recent, Proposal(now, decision.proposal.executors)),
            last_scale_up=ScaleUp(now, old.executors, processing_rate) if up else self.last_scale_up,
            fallback_until=now + fallback_s if self._begins_fallback(decision) else self.fallback_until,
            weights=decision.weights,
        )

    def _begins_fallback(self, decision: Decision) -> bool:
        return decision.fallback is not None and decision.time >= self.fallback_until
