"""Policies at equal SLO attainment: the front of each over its own settings, and one front's cost over another's.

A policy with a knob is not a point but a curve. Comparing single settings says which setting was chosen better;
comparing fronts says which policy is better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of a policy. cost: dollars. attainment: share of batches within the objective."""

    name: str
    cost: float
    attainment: float


Front = tuple[Point, ...]
"""Points of which none costs less than another and attains as much; both ascend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One policy's front beside a rival's, or beside those of several, where both sides reach.

    worst_ratio: highest of the policy's cost over the rival's at equal attainment. worst_at: the attainment where that
    is. mean_ratio: geometric mean over the attainments of both fronts' points. All three are None where the rival
    reaches nothing that the policy does. beyond: share of the policy's front that the rival does not reach.
    out_of_reach: the rival's highest attainment where the policy's front ends below it, else None. dominated: share of
    the rival's front that the policy beats on one axis without losing on the other.
    """

    worst_ratio: float | None
    worst_at: float | None
    mean_ratio: float | None
    beyond: float
    out_of_reach: float | None
    dominated: float


def front(points: Sequence[Point]) -> Front:
    """The points that no other beats; what was not measured (NaN) is left out."""
    measured = [point for point in points if not math.isnan(point.cost + point.attainment)]
    kept: list[Point] = []
    for point in sorted(measured, key=lambda p: (p.cost, -p.attainment)):
        if not kept or point.attainment > kept[-1].attainment:
            kept.append(point)
    return tuple(kept)


def cost_at(line: Front, attainment: float) -> float | None:
    """What a front costs at an attainment: linear between two neighbours.

    Below its first point the first one's cost, as no cheaper setting is known; above its last one None: no setting
    reaches it.
    """
    if not line or attainment > line[-1].attainment:
        return None
    if attainment <= line[0].attainment:
        return line[0].cost
    for low, high in pairwise(line):
        if attainment <= high.attainment:
            part = (attainment - low.attainment) / (high.attainment - low.attainment)
            return low.cost + part * (high.cost - low.cost)
    return line[-1].cost


def compare(policy: Front, rivals: Sequence[Front]) -> Comparison:
    """Set a policy's front beside a rival's, or beside several: then the cheapest of them counts at each attainment.

    Equal attainment means every attainment from the policy's lowest to the highest that both sides reach. Between the
    points of all fronts the ratio of two straight lines is monotonic, so that looking at the points finds the worst
    one. Raises ValueError where there is no rival, or a front without a point.
    """
    if not policy or not rivals or not all(rivals):
        raise ValueError("a front without a measured point cannot be compared")
    lowest, highest = policy[0].attainment, policy[-1].attainment
    theirs = [point for rival in rivals for point in rival]
    levels = {p.attainment for p in (*policy, *theirs) if lowest <= p.attainment <= highest}
    pairs = [(level, cost_at(policy, level), _cheapest(rivals, level)) for level in sorted(levels)]
    ratios = [(ours / cost, level) for level, ours, cost in pairs if ours is not None and cost is not None]
    worst, at = max(ratios, default=(None, None))
    reach = max(point.attainment for point in theirs)
    undominated = front(theirs)
    return Comparison(
        worst_ratio=worst,
        worst_at=at,
        mean_ratio=math.exp(fmean(math.log(ratio) for ratio, _ in ratios)) if ratios else None,
        beyond=sum(p.attainment > reach for p in policy) / len(policy),
        out_of_reach=reach if reach > highest else None,
        dominated=sum(any(_beats(ours, other) for ours in policy) for other in undominated) / len(undominated),
    )


def _cheapest(rivals: Sequence[Front], attainment: float) -> float | None:
    costs = [cost for rival in rivals if (cost := cost_at(rival, attainment)) is not None]
    return min(costs, default=None)


def _beats(ours: Point, theirs: Point) -> bool:
    no_worse = ours.cost <= theirs.cost and ours.attainment >= theirs.attainment
    return no_worse and (ours.cost, ours.attainment) != (theirs.cost, theirs.attainment)
