"""How many executors a rate needs for a job to keep its latency objective, by what its batches were measured to cost.

A batch takes what arrived since the one before it began, and its oldest row waits that long. With a target of at least
two triggers, batches may run one after the other without a pause: two of them, the one waited for and the own, must fit
into the target. With a shorter target a batch must be done in what its trigger leaves of it.
"""

from dataclasses import dataclass

from .batch_cost import Cost

LEAST_ROOM = 0.05
"""Least share of a trigger that is counted on for a batch, where the target leaves none."""
WORTHWHILE = 0.25
"""Least share of a batch's time that executors are sized for: where the overhead takes more than the rest, more of them
shorten nothing that counts, and the target may be out of reach of any number."""
MOST = 1000.0
"""More executors than any job has."""


@dataclass(frozen=True, slots=True)
class Pace:
    """span_s: over which a batch's rows arrive. budget_s: that it may take."""

    span_s: float
    budget_s: float

    @classmethod
    def of(cls, *, trigger_s: float, target_ms: float) -> "Pace":
        """The pace at which a target is just kept. A target below the trigger leaves the least room there is."""
        target_s = target_ms / 1000
        if target_s >= 2 * trigger_s:
            return cls(target_s / 2, target_s / 2)
        return cls(trigger_s, max(target_s - trigger_s, LEAST_ROOM * trigger_s))


def required(rate: float, cost: Cost, pace: Pace) -> float:
    """Executors, as a real number, that work off ``rate`` messages/s at this pace; at most MOST."""
    room = max(pace.budget_s - cost.overhead_s, WORTHWHILE * pace.budget_s)
    return min(rate * pace.span_s / (cost.capacity * room), MOST)
