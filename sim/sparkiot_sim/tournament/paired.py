"""Differences between two policies that met the same rounds: what is the same for both falls out of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol, TypeVar

from .play import Result
from .statistics import Estimate, estimate


class Scored(Protocol):
    """What one policy came to in one round: workload, messages/s, preset and seed."""

    @property
    def round(self) -> tuple[str, float, str, int]: ...


Some = TypeVar("Some", bound=Scored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Ours minus theirs, over rounds. attainment, latency: percentage points and milliseconds of the P95. cost: percent
    of theirs."""

    attainment: Estimate
    cost: Estimate
    latency: Estimate


def differences(ours: Sequence[Result], theirs: Sequence[Result]) -> Differences:
    """Over all loads and presets, each counted alike. Raises ValueError where the rounds are not the same."""
    return Differences(
        attainment=paired(ours, theirs, lambda a, b: 100 * (a.summary.slo_attainment - b.summary.slo_attainment)),
        cost=paired(ours, theirs, lambda a, b: 100 * (a.summary.cost_dollars / b.summary.cost_dollars - 1)),
        latency=paired(ours, theirs, lambda a, b: a.summary.latency_p95_ms - b.summary.latency_p95_ms),
    )


def by_cell(results: Sequence[Result]) -> dict[tuple[str, float, str], list[Result]]:
    """The results of each workload, messages/s and preset."""
    found: dict[tuple[str, float, str], list[Result]] = {}
    for result in results:
        found.setdefault(result.cell, []).append(result)
    return found


def paired(ours: Sequence[Some], theirs: Sequence[Some], value: Callable[[Some, Some], float]) -> Estimate:
    """The mean of a number of each round, of ours and theirs.

    Its interval is over seeds, each with its mean over loads and presets: the rounds of one load are alike, seeds are
    not. Raises ValueError where the rounds are not the same.
    """
    others = {result.round: result for result in theirs}
    if len(ours) != len(others) or any(result.round not in others for result in ours):
        raise ValueError("the two policies did not play the same rounds")
    by_seed: dict[int, list[float]] = {}
    for result in ours:
        by_seed.setdefault(result.round[-1], []).append(value(result, others[result.round]))
    return estimate([fmean(values) for values in by_seed.values()], lowest=-math.inf)
