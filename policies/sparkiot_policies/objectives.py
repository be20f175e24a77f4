"""What a job wants: reward weights, a latency objective and a budget."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass


class Scenario(enum.StrEnum):
    """Named reward weights of the thesis; Auto leaves them to the meta-controller."""

    HEALTHCARE_CRITICAL = "HealthcareCritical"
    INDUSTRIAL_HIGH_THROUGHPUT = "IndustrialHighThroughput"
    SMART_CITY_BUDGET = "SmartCityBudget"
    BALANCED = "Balanced"
    AUTO = "Auto"


@dataclass(frozen=True, slots=True)
class Weights:
    """Reward weights: α of cost, β of latency, γ of throughput; not negative, sum 1."""

    cost: float
    latency: float
    throughput: float

    def __post_init__(self) -> None:
        values = (self.cost, self.latency, self.throughput)
        if not all(math.isfinite(v) and v >= 0 for v in values) or abs(sum(values) - 1) > 1e-3:
            raise ValueError(f"weights {values} must not be negative and must sum to 1")


SCENARIO_WEIGHTS: Mapping[Scenario, Weights] = {
    Scenario.HEALTHCARE_CRITICAL: Weights(0.1, 0.8, 0.1),
    Scenario.INDUSTRIAL_HIGH_THROUGHPUT: Weights(0.2, 0.3, 0.5),
    Scenario.SMART_CITY_BUDGET: Weights(0.9, 0.05, 0.05),
    Scenario.BALANCED: Weights(1 / 3, 1 / 3, 1 / 3),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objectives:
    """The objectives of one job.

    weights: pinned weights, or None to leave them to the meta-controller. latency_target_ms: the SLO of one batch.
    quantile: the share of batches that must meet it. budget_per_hour: dollars, or None for no ceiling.
    """

    weights: Weights | None = SCENARIO_WEIGHTS[Scenario.BALANCED]
    latency_target_ms: float = 1000.0
    quantile: float = 0.95
    budget_per_hour: float | None = None


def pinned_weights(scenario: Scenario, weights: Weights | None) -> Weights | None:
    """Explicit weights win over the scenario; None for Auto."""
    return weights or SCENARIO_WEIGHTS.get(scenario)
