"""The thesis' edge experiment: the load jumps from 200 to 800 messages/s, announced one step ahead.

Data and shuffle are as large as the arena draws them, so that what is met here is met with any.
"""

from dataclasses import asdict, dataclass

import numpy as np

from .actors import Actor
from .draws import LARGEST_SHUFFLE_MB, VOLUME_MB, Draws
from .model import SLA_MS
from .tournament import play_run

STEPS = 20
JUMP = STEPS // 2
BEFORE, AFTER = 200.0, 800.0
"""Messages/s."""


@dataclass(frozen=True, slots=True)
class Step:
    """How an actor met the jump. violations: of all STEPS. latency_ms: of the step in which the load arrives.
    cost_before, cost_at, cost_after: $/h of the step before it, of it, and of the last one."""

    violations: int
    latency_ms: float
    cost_before: float
    cost_at: float
    cost_after: float

    @property
    def ahead(self) -> bool:
        """Whether what the load needs was there when it arrived, and not before."""
        return self.violations == 0 and self.cost_at == self.cost_after > self.cost_before

    def to_dict(self) -> dict[str, float]:
        return asdict(self) | {"ahead": self.ahead}


def jump() -> Draws:
    """The one trace of the experiment."""
    rate = np.where(np.arange(STEPS) < JUMP, BEFORE, AFTER)[:, None]
    return Draws(
        start=np.array([BEFORE]),
        rate=rate,
        burst=np.diff(rate, axis=0, prepend=BEFORE) > 0,
        volume=np.full((STEPS, 1), VOLUME_MB[1]),
        shuffle=np.full((STEPS, 1), LARGEST_SHUFFLE_MB),
        temperature=np.full((STEPS, 1), 0.5),
    )


def play_jump(actor: Actor) -> Step:
    """Play an actor through the jump."""
    run = play_run(actor, jump())
    latency, cost = run.latency[:, 0], run.cost[:, 0]
    return Step(
        violations=int((latency > SLA_MS).sum()),
        latency_ms=float(latency[JUMP]),
        cost_before=float(cost[JUMP - 1]),
        cost_at=float(cost[JUMP]),
        cost_after=float(cost[-1]),
    )
