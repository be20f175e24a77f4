"""The reward of one decision interval in the realistic arena.

    r = -f(α)·cost - KAPPA·f(β)·late - f(γ)·behind        f(w) = 1/2 + 3/2·w, so that a third gives 1

cost: dollars of the interval over what the episode's mean load would cost at UTILIZATION on REFERENCE_GIB.
late: share of the interval's batches that missed the latency target, which is what attainment counts; all of it where
none was done in time to be counted. behind: backlog beyond what arrives between two triggers, over what arrives in the
interval, at most WORST.

f keeps every term alive: with the bare weights, a job that weighs cost with 0.9 does best by stopping to work at all.
KAPPA is the price of an objective missed: at equal weights, one point of attainment is worth 20 % of the bill.
"""

from collections.abc import Sequence

from sparkiot_policies.job import Job
from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_policies.objectives import Weights

from .profile import JobProfile
from .workload import Workload

KAPPA = 20.0
WORST = 3.0
UTILIZATION = 0.7
REFERENCE_GIB = 2


def factor(weight: float) -> float:
    """f of the module's formula."""
    return 0.5 + 1.5 * weight


def reference_per_hour(job: Job, profile: JobProfile, workload: Workload) -> float:
    """$/h against which cost is counted: executors for the mean load, at least one."""
    executors = max(workload.mean_rate / profile.rate_per_executor / UTILIZATION, 1.0)
    return job.prices.compute_per_hour(executors, REFERENCE_GIB * 1024)


def reward(
    *, weights: Weights, measurement: Measurement, dollars: float, interval_s: float, reference: float, target_ms: float
) -> float:
    """The reward of an interval that cost ``dollars`` and at whose end ``measurement`` was taken."""
    cost = dollars / (reference * interval_s / 3600)
    arrived = max((measurement.rate or 0.0) * interval_s, 1e-9)
    usual = (measurement.rate or 0.0) * (measurement.trigger_interval_s or 0.0)
    behind = min(max((measurement.backlog or 0.0) - usual, 0.0) / arrived, WORST)
    late = late_share(measurement.batches, target_ms, behind=behind > 0)
    return -factor(weights.cost) * cost - KAPPA * factor(weights.latency) * late - factor(weights.throughput) * behind


def late_share(batches: Sequence[Batch], target_ms: float, *, behind: bool) -> float:
    """Of an interval's batches, those that missed the target. Without any: all of them if the job is behind."""
    if not batches:
        return float(behind)
    return sum(b.latency_ms > target_ms for b in batches) / len(batches)
