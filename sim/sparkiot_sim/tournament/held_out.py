"""The program that shipped policies are judged on: loads that training never saw."""

from collections.abc import Sequence

from sparkiot_sim.generators import HOUR_S, Kind

from .entry import Entry
from .matches import Load, Tournament

HELD_OUT_SEEDS = tuple(range(1001, 1011))
"""Training draws its loads at random from 2**31 seeds."""
HOURS = 3.0
"""Of each match; the seeds spread them over the day."""
MEAN_RATE = 300.0


def held_out(policies: Sequence[str], *, seeds: Sequence[int] = HELD_OUT_SEEDS, hours: float = HOURS) -> Tournament:
    """Policies, by reference, on the three generators at 300 messages/s."""
    return Tournament(
        entries=tuple(Entry.of(policy) for policy in policies),
        loads=tuple(Load(source=kind, mean_rate=MEAN_RATE) for kind in Kind),
        seeds=tuple(seeds),
        duration_s=hours * HOUR_S,
    )
