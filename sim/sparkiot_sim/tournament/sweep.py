"""Every policy over its own knob, and the learned ones' fronts beside their rivals'."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sparkiot_policies.rules import RULES, swept

from .entry import ORACLE
from .fronts import Comparison, Front, Point, compare, front
from .play import Result
from .statistics import Estimate, t_quantile

WEIGHTS = (
    "weights=HealthcareCritical",
    "weights=IndustrialHighThroughput",
    "weights=Balanced",
    "cost=0.5:latency=0.3:throughput=0.2",
    "cost=0.7:latency=0.2:throughput=0.1",
    "weights=SmartCityBudget",
)
"""Reward weights over which a learned policy is swept, from the most careful to the cheapest."""
BEST = "best rival"
"""Stands for all rivals together: at each attainment, the cheapest of their fronts."""

Cell = tuple[str, float, str]
"""Workload, messages/s and preset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A learned policy's front beside a rival's under one load and preset.

    worst: the highest cost ratio at equal attainment with its interval over seeds (jackknife), None where the rival
    reaches nothing of the policy's front.
    """

    policy: str
    rival: str
    cell: Cell
    comparison: Comparison
    worst: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        workload, mean_rate, preset = self.cell
        found = self.comparison
        return {
            "policy": self.policy,
            "rival": self.rival,
            "workload": workload,
            "mean_rate": mean_rate,
            "preset": preset,
            "worst_ratio": found.worst_ratio,
            "worst_ratio_ci95": self.worst.interval if self.worst else None,
            "worst_at": found.worst_at,
            "mean_ratio": found.mean_ratio,
            "beyond": found.beyond,
            "out_of_reach": found.out_of_reach,
            "dominated": found.dominated,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """A policy against a rival over all loads and presets.

    worst: the line of the highest ratio; None where the rival never reaches the policy's front. mean_ratio: geometric,
    each load and preset counted alike. beyond, dominated: means. out_of_reach: lines in which the rival attains more
    than the policy ever does.
    """

    policy: str
    rival: str
    worst: Line | None
    mean_ratio: float | None
    beyond: float
    dominated: float
    out_of_reach: int
    lines: int


def family(reference: str) -> str:
    """The policy of a reference, without its settings."""
    return reference.partition(":")[0]


def expanded(references: Sequence[str]) -> tuple[str, ...]:
    """Each policy over its whole sweep; one that is entered with settings is a point of its own. None occurs twice."""
    found: dict[str, None] = {}
    for reference in references:
        if ":" in reference:
            settings: tuple[str, ...] = (reference,)
        elif reference in RULES:
            settings = swept(reference)
        else:
            settings = tuple(f"{reference}:{weights}" for weights in WEIGHTS)
        found |= dict.fromkeys(settings)
    return tuple(found)


def settings(results: Sequence[Result], *, without: int | None = None) -> Mapping[Cell, Mapping[str, list[Point]]]:
    """The points of each family under each load and preset, means over seeds. without: a seed to leave out."""
    groups: dict[Cell, dict[str, list[Result]]] = {}
    for result in results:
        if result.seed != without:
            groups.setdefault(result.cell, {}).setdefault(result.policy, []).append(result)
    found: dict[Cell, dict[str, list[Point]]] = {cell: {} for cell in groups}
    for cell, policies in groups.items():
        for name, group in policies.items():
            cost = fmean(result.summary.cost_dollars for result in group)
            attainment = fmean(result.summary.slo_attainment for result in group)
            found[cell].setdefault(family(name), []).append(Point(name, cost, attainment))
    return found


def fronts(results: Sequence[Result], *, without: int | None = None) -> Mapping[Cell, Mapping[str, Front]]:
    """The front of each family under each load and preset; see ``settings``. Families that measured nothing are not
    there."""
    return {
        cell: {name: line for name, own in points.items() if (line := front(own))}
        for cell, points in settings(results, without=without).items()
    }


def comparisons(results: Sequence[Result]) -> list[Line]:
    """Every learned policy beside every rule and beside all of them together, where both were measured."""
    seeds = sorted({result.seed for result in results})
    whole = fronts(results)
    parts = [fronts(results, without=seed) for seed in seeds] if len(seeds) > 1 else []
    lines = []
    for cell, found in whole.items():
        rules = [name for name in RULES if name in found]
        sides = {**{name: [name] for name in rules}, BEST: rules}
        for policy in (name for name in found if name not in {*RULES, ORACLE}):
            for rival, names in sides.items():
                if not names:
                    continue
                comparison = compare(found[policy], [found[name] for name in names])
                again = [_worst_of(part[cell], policy, names) for part in parts]
                worst = _jackknife(comparison.worst_ratio, again)
                lines.append(Line(policy=policy, rival=rival, cell=cell, comparison=comparison, worst=worst))
    return lines


def overall(lines: Sequence[Line]) -> list[Overall]:
    """One line for each policy and rival, in the order of their first lines."""
    found = []
    for policy, rival in dict.fromkeys((line.policy, line.rival) for line in lines):
        own = [line for line in lines if (line.policy, line.rival) == (policy, rival)]
        means = [line.comparison.mean_ratio for line in own if line.comparison.mean_ratio is not None]
        found.append(
            Overall(
                policy=policy,
                rival=rival,
                worst=max((line for line in own if line.worst), key=_worst_ratio, default=None),
                mean_ratio=math.exp(fmean(map(math.log, means))) if means else None,
                beyond=fmean(line.comparison.beyond for line in own),
                dominated=fmean(line.comparison.dominated for line in own),
                out_of_reach=sum(line.comparison.out_of_reach is not None for line in own),
                lines=len(own),
            )
        )
    return found


def _worst_of(found: Mapping[str, Front], policy: str, names: Sequence[str]) -> float | None:
    rivals = [found[name] for name in names if name in found]
    return compare(found[policy], rivals).worst_ratio if policy in found and rivals else None


def _jackknife(value: float | None, without_one: Sequence[float | None]) -> Estimate | None:
    """An estimate of a statistic from its values with one seed left out each.

    Source: Efron and Stein, The jackknife estimate of variance, Annals of Statistics 9 (1981).
    """
    if value is None:
        return None
    known = [other for other in without_one if other is not None]
    if len(known) < max(len(without_one), 2):
        return Estimate(value, None)
    mean, count = fmean(known), len(known)
    error = math.sqrt((count - 1) / count * sum((other - mean) ** 2 for other in known))
    return Estimate(value, t_quantile(count - 1) * error)


def _worst_ratio(line: Line) -> float:
    return line.comparison.worst_ratio or 0.0
