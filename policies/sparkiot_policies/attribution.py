"""Which elements of an observation made a policy propose what it does: Shapley values against an earlier observation.

The question is why the proposal is another one than at the time of the baseline. A *player* is a group of elements; a
coalition of players has its elements as they are now, all others as they were then. A player's effect is its Shapley
value, the mean over all orders of joining of how much the proposal moves when it joins (Shapley, "A value for n-person
games", 1953; for predictions: Strumbelj and Kononenko, JMLR 11, 2010; Lundberg and Lee, NeurIPS 2017).

*Completeness*: the effects add up to the proposal now less the proposal then, exactly, also where orders are sampled,
as every single order adds up so. A player whose elements did not change, or that the policy does not use, has effect 0.

*Cost*: one pass of the graph over 2^n observations for n players, up to MOST_EXACT of them; beyond, over
ORDERS · (n + 1), where an order and its reverse are drawn together. Nothing but the inference runtime is needed, and
nothing is differentiated: what counts is the action taken, a whole number, and not a logit.

Elements are not independent: a coalition may mix a load of now with a forecast of then. ``required_next``, which is the
higher of two others, is no player; it follows them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import factorial

import numpy as np
import numpy.typing as npt

from .allocation import Allocation
from .errors import ObservationMissingError
from .evaluation import Evaluation
from .job import Job
from .learned import LearnedPolicy
from .observation import Observation
from .policy import Policy

Effects = npt.NDArray[np.float64]
Coalitions = npt.NDArray[np.bool_]

HEADS = ("executors", "memory", "tier", "compression")
"""Of a proposal, as numbers: a count, GiB, and the indices of tier and compression."""
FROM_INDEX = np.array([1.0, 1.0, 0.0, 0.0])
"""What a part of an action lacks to be such a number."""
MOST_EXACT = 10
"""Players up to which all 2^n coalitions are asked for."""
ORDERS = 64
"""Orders that are drawn for more players."""
SEED = 0
"""Of the orders: the same question has the same answer."""
NEXT, NEXT_OF = "required_next", ("required", "required_ahead")


@dataclass(frozen=True, slots=True)
class Player:
    """Elements that are judged together. name: what people call them."""

    name: str
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attribution:
    """effects: of each player on each of HEADS, shape (players, 4). before, after: the proposals as numbers, (4,)."""

    players: tuple[Player, ...]
    effects: Effects
    before: Effects
    after: Effects

    def of(self, head: str) -> list[tuple[Player, float]]:
        """Players and their effects on one head, the largest first."""
        column = self.effects[:, HEADS.index(head)].tolist()
        return sorted(zip(self.players, column, strict=True), key=lambda pair: -abs(pair[1]))


def attribute(
    policy: Policy, job: Job, evaluation: Evaluation, baseline: Observation, players: Sequence[Player]
) -> Attribution:
    """Effects of the players whose elements the policy uses and that changed since the baseline. Elements of no player,
    and all that is no element (history, measured capacity), are as they are now.

    Raises ObservationMissingError where the policy could not have decided on the baseline, or cannot now, and
    PolicyError where it fails.
    """
    now, used = evaluation.observation, set(policy.needs())
    moved = [
        Player(p.name, changed)
        for p in players
        if (changed := tuple(e for e in p.elements if e in used and _differs(now, baseline, e)))
    ]
    if missing := [e for p in moved for e in p.elements if getattr(baseline, e) is None]:
        raise ObservationMissingError(missing)
    value = _learned(policy, now, baseline, moved) if isinstance(policy, LearnedPolicy) else None
    value = value or _asked(policy, job, evaluation, baseline, moved)
    count = len(moved)
    ends = value(np.array([[False] * count, [True] * count], dtype=np.bool_).reshape(2, count))
    return Attribution(tuple(moved), shapley(value, count), ends[0], ends[1])


def shapley(value: Callable[[Coalitions], Effects], count: int, *, most_exact: int = MOST_EXACT) -> Effects:
    """Shapley values of a game of ``count`` players, shape (players, outputs).

    value: of coalitions (N, players) to (N, outputs). Exact up to ``most_exact`` players, sampled for more.
    """
    if count == 0:
        return np.zeros((0, value(np.zeros((1, 0), dtype=np.bool_)).shape[1]))
    return _exact(value, count) if count <= most_exact else _sampled(value, count)


def _exact(value: Callable[[Coalitions], Effects], count: int) -> Effects:
    codes = np.arange(2**count)
    coalitions = (codes[:, None] >> np.arange(count)) & 1 == 1
    values, sizes = value(coalitions), coalitions.sum(axis=1)
    share = np.array([factorial(s) * factorial(count - s - 1) / factorial(count) for s in range(count)])
    effects = np.empty((count, values.shape[1]))
    for player in range(count):
        without = codes[~coalitions[:, player]]
        gains = values[without | (1 << player)] - values[without]
        effects[player] = share[sizes[without]] @ gains
    return effects


def _sampled(value: Callable[[Coalitions], Effects], count: int) -> Effects:
    rng = np.random.default_rng(SEED)
    drawn = [rng.permutation(count) for _ in range(ORDERS // 2)]
    orders = np.array([order for one in drawn for order in (one, one[::-1])])
    # Row j of an order holds its first j players.
    joined_at = np.argsort(orders, axis=1)
    coalitions = joined_at[:, None, :] < np.arange(count + 1)[None, :, None]
    values = value(coalitions.reshape(-1, count))
    gains = np.diff(values.reshape(len(orders), count + 1, -1), axis=1)
    effects = np.zeros((count, values.shape[1]))
    for order, gain in zip(orders, gains, strict=True):
        effects[order] += gain
    return effects / len(orders)


def numbers(allocation: Allocation) -> tuple[float, float, float, float]:
    """An allocation as the numbers of HEADS."""
    return allocation.executors, allocation.memory_gib, allocation.tier.code, allocation.compression.code


def _learned(
    policy: LearnedPolicy, now: Observation, baseline: Observation, players: Sequence[Player]
) -> Callable[[Coalitions], Effects]:
    """All coalitions in one pass of the graph."""
    places = {name: place for place, name in enumerate(policy.elements)}
    new = policy.vector(now)[0]
    old = new.copy()
    owner = np.full(len(new), -1)
    for number, player in enumerate(players):
        for name in player.elements:
            old[places[name]] = getattr(baseline, name)
            owner[places[name]] = number
    follows = _follows(now, baseline) and NEXT in places
    owned = owner >= 0

    def value(coalitions: Coalitions) -> Effects:
        rows = np.repeat(new[None], len(coalitions), axis=0)
        rows[:, owned] = np.where(coalitions[:, owner[owned]], new[owned], old[owned])
        if follows:
            rows[:, places[NEXT]] = rows[:, [places[name] for name in NEXT_OF]].max(axis=1)
        found: Effects = policy.actions(rows).astype(np.float64) + FROM_INDEX
        return found

    return value


def _asked(
    policy: Policy, job: Job, evaluation: Evaluation, baseline: Observation, players: Sequence[Player]
) -> Callable[[Coalitions], Effects]:
    """One question to the policy for each coalition: rules use few elements."""

    def proposed(coalition: npt.NDArray[np.bool_]) -> tuple[float, ...]:
        old = [e for player, here in zip(players, coalition, strict=True) if not here for e in player.elements]
        observation = replace(evaluation.observation, **{name: getattr(baseline, name) for name in old})
        if _follows(evaluation.observation, baseline):
            observation = replace(observation, required_next=max(getattr(observation, e) for e in NEXT_OF))
        return numbers(policy.propose(job, replace(evaluation, observation=observation)))

    def value(coalitions: Coalitions) -> Effects:
        return np.array([proposed(coalition) for coalition in coalitions], dtype=np.float64)

    return value


def _differs(now: Observation, baseline: Observation, element: str) -> bool:
    return element != NEXT and getattr(now, element) != getattr(baseline, element)


def _follows(*observations: Observation) -> bool:
    """Whether ``required_next`` is what it is made of, in all of them."""
    return all(
        o.required_next is not None
        and o.required is not None
        and o.required_ahead is not None
        and o.required_next == max(o.required, o.required_ahead)
        for o in observations
    )
