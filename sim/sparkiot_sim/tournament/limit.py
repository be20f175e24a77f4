"""The oracle as a competitor: what its bound comes to, in the form of a match."""

import math

import numpy as np

from sparkiot_sim.cluster import random_streams
from sparkiot_sim.episode import Summary
from sparkiot_sim.oracle import Bound, oracle
from sparkiot_sim.setting import Setting
from sparkiot_sim.temperature import TemperatureWalk
from sparkiot_sim.timeline import Timeline

from .tiers import TierUse, tier_use


def limit(setting: Setting, *, name: str) -> tuple[Summary, TierUse, Timeline]:
    """The bound of a setting. It has no batches, so that latencies are not known, nor out-of-memory kills."""
    bound = oracle(setting)
    summary = Summary(
        slo_attainment=bound.slo_attainment,
        violations_percent=100 * (1 - bound.slo_attainment),
        cost_dollars=bound.cost_dollars,
        latency_mean_ms=math.nan,
        latency_p50_ms=math.nan,
        latency_p95_ms=math.nan,
        latency_p99_ms=math.nan,
        batches=0,
        scalings=int(np.count_nonzero(np.diff(bound.executors))),
        restarts=int(np.count_nonzero(np.diff(bound.memory_mib))),
        lost_executors=0,
        out_of_memory=0,
    )
    return summary, tier_use(bound.tier.tolist(), _temperatures(setting, bound)), _timeline(setting, bound, name=name)


def _temperatures(setting: Setting, bound: Bound) -> list[float]:
    """Those that the simulated job meets: they depend on the seed and the time alone."""
    walk = TemperatureWalk(
        mean=setting.profile.temperature,
        constants=setting.constants.temperature,
        rng=random_streams(setting.seed).temperature,
        start=setting.start,
    )
    return [walk.at(time) for time in bound.time.tolist()]


def _timeline(setting: Setting, bound: Bound, *, name: str) -> Timeline:
    interval = setting.job.interval_s
    rates = [setting.workload.arrivals(time, time + interval) / interval for time in bound.time.tolist()]
    unknown = np.full(bound.time.shape, np.nan)
    executors = bound.executors.astype(np.float64)
    return Timeline(
        name=name,
        latency_target_ms=setting.job.objectives.latency_target_ms,
        time=bound.time + interval,  # as in a run, where an interval is looked at when it is over
        rate=np.array(rates),
        predicted=unknown,
        burst=unknown,
        wanted=executors,
        running=executors,
        tier=bound.tier.astype(np.float64),
        latency_ms=unknown,
    )
