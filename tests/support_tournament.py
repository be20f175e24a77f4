"""Results of matches that nobody played, for tests of what is made of them."""

import math

import numpy as np

from sparkiot_sim.episode import Summary
from sparkiot_sim.timeline import Timeline
from sparkiot_sim.tournament.play import Result
from sparkiot_sim.tournament.tiers import TierUse


def result(
    policy: str, workload: str, seed: int, *, attainment: float, cost: float = 2.0, latency_ms: float = 550.0
) -> Result:
    """A match of two hours under 300 messages/s."""
    hours = np.array([0.0, 3600.0])
    return Result(
        policy=policy,
        workload=workload,
        mean_rate=300.0,
        preset="cloud-coldstart",
        seed=seed,
        summary=Summary(
            slo_attainment=attainment,
            violations_percent=100 * (1 - attainment),
            cost_dollars=cost,
            latency_mean_ms=latency_ms,
            latency_p50_ms=500.0,
            latency_p95_ms=900.0,
            latency_p99_ms=1100.0,
            batches=0 if math.isnan(attainment) else 100,
            scalings=3,
            restarts=0,
            lost_executors=0,
            out_of_memory=0,
        ),
        duration_s=7200.0,
        fallback_share=0.25,
        tiers=TierUse((0.0, 0.75, 0.25, 0.0), 1.0, None if seed == 1 else 0.5),
        timeline=Timeline(
            name=policy,
            latency_target_ms=1000.0,
            **dict.fromkeys(("rate", "predicted", "burst", "wanted", "running", "tier", "latency_ms"), hours),
            time=hours,
        )
        if seed == 1
        else None,
    )
