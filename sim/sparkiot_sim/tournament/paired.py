"""Differences between two policies that met the same rounds: what is the same for both falls out of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from .play import Result
from .statistics import Estimate, estimate

Value = Callable[[Result, Result], float]
"""A number of one round, of ours and theirs."""


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


def paired(ours: Sequence[Result], theirs: Sequence[Result], value: Value) -> Estimate:
    """The mean of a number of each round. Its interval is over seeds, each with its mean over loads and presets: the
    rounds of one load are alike, seeds are not. Raises ValueError where the rounds are not the same."""
    others = {result.round: result for result in theirs}
    if len(ours) != len(others) or any(result.round not in others for result in ours):
        raise ValueError("the two policies did not play the same rounds")
    by_seed: dict[int, list[float]] = {}
    for result in ours:
        by_seed.setdefault(result.seed, []).append(value(result, others[result.round]))
    return estimate([fmean(values) for values in by_seed.values()], lowest=-math.inf)
