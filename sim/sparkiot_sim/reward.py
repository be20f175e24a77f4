"""The reward of one decision interval in the realistic arena.

    r = -cost - KAPPA · R^(β - α) · late - f(γ)·behind - PROMPT · max(β - 1/3, 0) · latency

with f(w) = 1/2 + 3/2·w, so that a third gives 1.

Where no forecast can be had, a missed objective costs BLIND times as much: load comes unannounced there, and who does
not hold a reserve loses more than a rule that keeps a fixed one.

cost: dollars of the interval over what the episode's mean load would cost at UTILIZATION on REFERENCE_GIB.
late: share of the interval's batches that missed the latency target, which is what attainment counts; all of it where
none was done in time to be counted. behind: backlog beyond what arrives between two triggers, over what arrives in the
interval, at most WORST. latency: mean of the interval's batches over the target, at most WORST; it counts where latency
weighs more than its share, because a job that asks for no more than its objective gains nothing below it.

KAPPA is the price of an objective missed: at equal weights, one point of attainment is worth 8 % of the bill. Weights
move that price by up to R: DEAR where latency weighs more, CHEAP where cost does. That keeps every term alive: with the
bare weights, a job that weighs cost with 0.9 does best by stopping to work at all.
"""

from collections.abc import Sequence

from sparkiot_policies.job import Job
from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_policies.objectives import Weights

from .profile import JobProfile

KAPPA = 8.0
DEAR, CHEAP = 20.0, 80.0
BLIND = 8.0
PROMPT = 12.0
WORST = 3.0
UTILIZATION = 0.7
REFERENCE_GIB = 2


def factor(weight: float) -> float:
    """f of the module's formula."""
    return 0.5 + 1.5 * weight


def reference_per_hour(job: Job, profile: JobProfile, mean_rate: float) -> float:
    """$/h against which cost is counted: executors for the mean load in messages/s, at least one."""
    executors = max(mean_rate / profile.rate_per_executor / UTILIZATION, 1.0)
    return job.prices.compute_per_hour(executors, REFERENCE_GIB * 1024)


def reward(
    *,
    weights: Weights,
    measurement: Measurement,
    dollars: float,
    interval_s: float,
    reference: float,
    target_ms: float,
    blind: bool = False,
) -> float:
    """The reward of an interval that cost ``dollars`` and at whose end ``measurement`` was taken. blind: there is no
    forecast to go by."""
    cost = dollars / (reference * interval_s / 3600)
    arrived = max((measurement.rate or 0.0) * interval_s, 1e-9)
    usual = (measurement.rate or 0.0) * (measurement.trigger_interval_s or 0.0)
    behind = min(max((measurement.backlog or 0.0) - usual, 0.0) / arrived, WORST)
    late = late_share(measurement.batches, target_ms, behind=behind > 0)
    prompt = urgency(weights) * mean_latency(measurement.batches, target_ms)
    return -cost - late_price(weights, blind=blind) * late - factor(weights.throughput) * behind - prompt


def late_price(weights: Weights, *, blind: bool) -> float:
    """Price of an interval whose batches all miss the target, in bills of that interval."""
    more = weights.latency - weights.cost
    return float(KAPPA * (DEAR if more > 0 else CHEAP) ** more) * (BLIND if blind else 1.0)


def urgency(weights: Weights) -> float:
    """Price of a latency as long as the target."""
    return PROMPT * max(weights.latency - 1 / 3, 0.0)


def mean_latency(batches: Sequence[Batch], target_ms: float) -> float:
    """Over the target; WORST without any."""
    if not batches:
        return WORST
    return min(sum(b.latency_ms for b in batches) / len(batches) / target_ms, WORST)


def late_share(batches: Sequence[Batch], target_ms: float, *, behind: bool) -> float:
    """Of an interval's batches, those that missed the target. Without any: all of them if the job is behind."""
    if not batches:
        return float(behind)
    return sum(b.latency_ms > target_ms for b in batches) / len(batches)
