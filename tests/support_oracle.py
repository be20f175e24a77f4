"""Small episodes of the realistic arena, and every run of them that a set of choices allows."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.job import Job, Limits
from sparkiot_policies.objectives import Objectives
from sparkiot_sim.generators import DEFAULT_START
from sparkiot_sim.oracle.achieved import Achieved, outcome
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.setting import Setting
from sparkiot_sim.simulated import SimulatedJob
from sparkiot_sim.workload import Workload

ALLOCATION = Allocation(executors=2, memory_mib=2048, tier=Tier.WARM, compression=Compression.LZ4)
EVERY_SECOND = JobProfile(trigger_interval_s=1.0)


def small_setting(
    rates: Sequence[float],
    *,
    limits: Limits,
    initial: Allocation = ALLOCATION,
    profile: JobProfile = EVERY_SECOND,
    interval_s: float = 10.0,
    target_s: float = 2.0,
    preset: str = "edge-small",
    seed: int = 1,
) -> Setting:
    """An episode of one decision interval for each rate, in messages/s."""
    times = DEFAULT_START + interval_s * np.arange(len(rates), dtype=np.float64)
    duration = interval_s * len(rates)
    return Setting(
        job=Job(
            name="small",
            initial=initial,
            objectives=Objectives(latency_target_ms=1000 * target_s),
            limits=limits,
            interval_s=interval_s,
        ),
        profile=profile,
        workload=Workload(name="small", times=times, rates=np.array(rates), end=DEFAULT_START + duration),
        preset=preset,
        quality="none",
        seed=seed,
        start=DEFAULT_START,
        duration_s=duration,
    )


def every_run(setting: Setting, choices: Sequence[Allocation]) -> Iterator[tuple[tuple[Allocation, ...], Achieved]]:
    """All sequences of choices, one at each decision, and what the simulator makes of them."""
    job, interval = setting.simulated(), setting.job.interval_s
    decisions = int(setting.duration_s // interval) - 1
    shared = {id(setting.workload): setting.workload}

    def follow(
        before: SimulatedJob, taken: tuple[Allocation, ...]
    ) -> Iterator[tuple[tuple[Allocation, ...], Achieved]]:
        before.advance(setting.start + (len(taken) + 1) * interval)
        if len(taken) == decisions:
            yield taken, outcome(setting, before)
            return
        for choice in choices:
            job = copy.deepcopy(before, dict(shared))
            job.apply(choice)
            yield from follow(job, (*taken, choice))

    yield from follow(job, ())


def allocations(
    executors: Sequence[int],
    memory_mib: Sequence[int] = (2048,),
    ways: Sequence[tuple[Tier, Compression]] = ((Tier.WARM, Compression.LZ4),),
) -> list[Allocation]:
    """Every combination."""
    return [
        replace(ALLOCATION, executors=n, memory_mib=m, tier=tier, compression=compression)
        for n in executors
        for m in memory_mib
        for tier, compression in ways
    ]
