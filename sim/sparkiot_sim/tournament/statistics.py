"""Means over seeds with 95 % confidence intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from statistics import NormalDist, fmean, stdev
from typing import Any

from sparkiot_sim.episode import Summary

from .entry import ORACLE
from .play import Result

METRICS: Mapping[str, float] = {
    "slo_attainment": 1.0,
    "violations_percent": 100.0,
    "cost_dollars": math.inf,
    "latency_p50_ms": math.inf,
    "latency_p95_ms": math.inf,
    "latency_p99_ms": math.inf,
    "scalings_per_hour": math.inf,
    "restarts": math.inf,
    "fallback_share": 1.0,
    "tier_hot": 1.0,
    "tier_warm": 1.0,
    "tier_cold": 1.0,
    "tier_archive": 1.0,
    "hot_data_on_fast": 1.0,
    "cold_data_on_fast": 1.0,
    "oracle_ratio": math.inf,
    "oracle_gap_points": 100.0,
}
"""What is measured of every match, and the highest value it can take; the lowest is 0."""
NOT_ALWAYS = frozenset({"hot_data_on_fast", "cold_data_on_fast"})
"""Measured only in matches where there was something to measure: their means are over these."""
CONFIDENCE = 0.95
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5 % quantiles of Student's t with 1 to 10 degrees of freedom; ``t_quantile`` expands the rest."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds. half_width: of its confidence interval, None where one seed says nothing of the spread.
    lowest, highest: values that are possible."""

    mean: float
    half_width: float | None
    highest: float = math.inf
    lowest: float = 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high, cut to what is possible."""
        if self.half_width is None:
            return None
        return max(self.mean - self.half_width, self.lowest), min(self.mean + self.half_width, self.highest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy under one load and preset. mean_rate: messages/s. seeds: how many. estimates: by name in METRICS."""

    policy: str
    workload: str
    mean_rate: float
    preset: str
    seeds: int
    estimates: Mapping[str, Estimate]

    def mean(self, metric: str) -> float:
        return self.estimates[metric].mean

    def to_dict(self) -> dict[str, Any]:
        """Flat: each metric's mean under its name, its interval as [low, high] under the name and ``_ci95``."""
        row: dict[str, Any] = {
            "policy": self.policy,
            "workload": self.workload,
            "mean_rate": self.mean_rate,
            "preset": self.preset,
            "seeds": self.seeds,
        }
        for name, estimate in self.estimates.items():
            row[name], row[f"{name}_ci95"] = estimate.mean, estimate.interval
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """One policy over all loads and presets, each counted alike. worst: the load where the fewest batches met the
    objective, as workload, messages/s and preset. oracle_ratio, oracle_gap_points: cost over the oracle's, attainment
    lost to it, and the highest of both under a load and preset; NaN without the oracle."""

    policy: str
    slo_attainment: float
    worst_slo_attainment: float
    worst: tuple[str, float, str]
    cost_dollars: float
    oracle_ratio: float
    worst_oracle_ratio: float
    oracle_gap_points: float
    worst_oracle_gap_points: float

    def to_dict(self) -> dict[str, Any]:
        workload, mean_rate, preset = self.worst
        return asdict(self) | {"worst": {"workload": workload, "mean_rate": mean_rate, "preset": preset}}


Round = tuple[str, float, str, int]


def bounds(results: Sequence[Result]) -> dict[Round, Summary]:
    """What the oracle comes to in each round that it was solved for."""
    return {result.round: result.summary for result in results if result.policy == ORACLE}


def metrics(result: Result, limits: Mapping[Round, Summary]) -> dict[str, float]:
    """The values of METRICS of one match; NaN where there was nothing to measure. limits: see ``bounds``."""
    values: dict[str, float | None] = {
        **result.summary.to_dict(),
        "scalings_per_hour": result.scalings_per_hour,
        "fallback_share": result.fallback_share,
        **result.tiers.to_dict(),
    }
    if (limit := limits.get(result.round)) is not None:
        values["oracle_ratio"] = result.summary.cost_dollars / limit.cost_dollars
        values["oracle_gap_points"] = 100 * (limit.slo_attainment - result.summary.slo_attainment)
    return {name: math.nan if (value := values.get(name)) is None else value for name in METRICS}


def rows(results: Sequence[Result]) -> list[Row]:
    """One row for every policy, load and preset; ``results`` in the order in which ``play`` gives them."""
    found = []
    limits = bounds(results)
    for (policy, (workload, mean_rate, preset)), group in groupby(results, key=attrgetter("policy", "cell")):
        values = [metrics(result, limits) for result in group]
        estimates = {
            name: estimate(_known(name, [value[name] for value in values]), highest=highest)
            for name, highest in METRICS.items()
        }
        found.append(
            Row(
                policy=policy,
                workload=workload,
                mean_rate=mean_rate,
                preset=preset,
                seeds=len(values),
                estimates=estimates,
            )
        )
    return found


def overall(table: Sequence[Row]) -> list[Overall]:
    """One line a policy, in the order of their first rows."""
    found = []
    for policy in dict.fromkeys(row.policy for row in table):
        own = [row for row in table if row.policy == policy]
        worst = min(own, key=_attainment)
        found.append(
            Overall(
                policy=policy,
                slo_attainment=fmean(row.mean("slo_attainment") for row in own),
                worst_slo_attainment=worst.mean("slo_attainment"),
                worst=(worst.workload, worst.mean_rate, worst.preset),
                cost_dollars=fmean(row.mean("cost_dollars") for row in own),
                oracle_ratio=fmean(row.mean("oracle_ratio") for row in own),
                worst_oracle_ratio=max(row.mean("oracle_ratio") for row in own),
                oracle_gap_points=fmean(row.mean("oracle_gap_points") for row in own),
                worst_oracle_gap_points=max(row.mean("oracle_gap_points") for row in own),
            )
        )
    return found


def estimate(values: Sequence[float], *, highest: float = math.inf, lowest: float = 0.0) -> Estimate:
    """The mean of independent values and its interval by Student's t; NaN of none, or where one of them is."""
    mean = fmean(values) if values else math.nan
    if len(values) < 2 or math.isnan(mean):
        return Estimate(mean, None, highest, lowest)
    half_width = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, half_width, highest, lowest)


def t_quantile(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t, to three digits.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, table 26.10 and expansion 26.7.5.
    """
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _known(metric: str, values: Sequence[float]) -> Sequence[float]:
    return [value for value in values if not math.isnan(value)] if metric in NOT_ALWAYS else values


def _attainment(row: Row) -> float:
    """For comparing: a load under which nothing could be measured is worse than any."""
    mean = row.mean("slo_attainment")
    return -math.inf if math.isnan(mean) else mean
