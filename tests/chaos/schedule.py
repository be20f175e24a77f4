"""Which faults come when: a pure function of a seed, so that a run that failed can be had again.

Kinds are dealt like cards: each comes once before any comes again, so that a run of n rounds has injected each kind n
times, and no kind is left to luck. Kinds that pull the same lever, such as two that shift one clock, share no step.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LATEST_START_S = 3.0
"""Faults of a step begin within so many seconds of each other: together, but in any order."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. levers: what it holds while it lasts. shortest, longest: seconds that it may last; a kill,
    which has nothing to heal, lasts for none."""

    name: str
    levers: frozenset[str] = frozenset()
    shortest: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a step. after, lasts: seconds from the step's start, and from the fault's. luck: in [0, 1), for what
    the fault has to choose."""

    kind: str
    after: float
    lasts: float
    luck: float


@dataclass(frozen=True, slots=True)
class Step:
    """Faults that are injected together. round: how often all kinds had been dealt before it. luck: as of a fault, for
    what the step itself changes."""

    number: int
    round: int
    faults: tuple[Planned, ...]
    luck: float


def steps(seed: int, kinds: Sequence[Kind], *, least: int, most: int) -> Iterator[Step]:
    """Steps without end, of least to most faults each; fewer where the rest of a round shares levers."""
    if not kinds or not 1 <= least <= most:
        raise ValueError("there must be kinds, and 1 <= least <= most")
    draw, number, rounds = random.Random(seed), 0, 0
    while True:
        deck = list(kinds)
        draw.shuffle(deck)
        while deck:
            hand = _hand(deck, draw.randint(least, most))
            deck = [kind for kind in deck if kind not in hand]
            yield Step(number, rounds, tuple(_planned(kind, draw) for kind in hand), draw.random())
            number += 1
        rounds += 1


def _hand(deck: Sequence[Kind], size: int) -> list[Kind]:
    """The first of the deck, and what follows and shares no lever with those before."""
    found: list[Kind] = []
    held: set[str] = set()
    for kind in deck:
        if len(found) < size and not held & kind.levers:
            found.append(kind)
            held |= kind.levers
    return found


def _planned(kind: Kind, draw: random.Random) -> Planned:
    after = round(draw.uniform(0.0, LATEST_START_S), 3)
    lasts = round(draw.uniform(kind.shortest, kind.longest), 3)
    return Planned(kind.name, after, lasts, draw.random())
