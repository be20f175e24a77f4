"""The oracle's schedule played in the simulator: what can be reached, as the oracle says what cannot.

Between the two lies the limit. Executors are requested early enough for a slow startup, stay until the batch that was
begun with them is surely over, and nothing of the safety envelope stands in the way.
"""

import math
from dataclasses import dataclass

import numpy as np

from sparkiot_policies.allocation import COMPRESSIONS, TIERS, Allocation
from sparkiot_sim.setting import Setting
from sparkiot_sim.simulated import SimulatedJob

from .bound import Bound

SLOW_STARTUP = 2.0
"""Standard deviations by which a startup may exceed its median before executors come too late."""
ROUNDED_ROWS = 1e-6
"""So many rows are none: arrivals are integrals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Achieved:
    """A run of the simulator. late_batches includes rows that are overdue at the end, by the largest batch."""

    slo_attainment: float
    cost_dollars: float
    late_batches: int
    batches: int
    restarts: int


def achieved(setting: Setting, bound: Bound, *, hold_s: float = 0.0) -> Achieved:
    """Play a bound's schedule. hold_s: seconds for which executors stay longer than the schedule needs them."""
    return play(setting, plan(setting, bound, hold_s=hold_s))


def plan(setting: Setting, bound: Bound, *, hold_s: float = 0.0) -> list[Allocation]:
    """What to ask for at each decision so that executors are there when the schedule has them."""
    preset = setting.constants.preset(setting.preset)
    interval = setting.job.interval_s
    startup = preset.startup_s.value * math.exp(SLOW_STARTUP * preset.startup_spread.value)
    ahead, behind = math.ceil(startup / interval), math.ceil(hold_s / interval)
    padded = np.concatenate((np.zeros(behind, dtype=np.int64), bound.executors, np.zeros(ahead, dtype=np.int64)))
    wanted = np.lib.stride_tricks.sliding_window_view(padded, ahead + behind + 1).max(axis=1)
    return [
        Allocation(executors=int(n), memory_mib=int(memory), tier=TIERS[tier], compression=COMPRESSIONS[compression])
        for n, memory, tier, compression in zip(wanted, bound.memory_mib, bound.tier, bound.compression, strict=True)
    ]


def play(setting: Setting, allocations: list[Allocation]) -> Achieved:
    """Ask for ``allocations[k]`` as the k-th decision interval begins; the first, the initial one, is in force."""
    simulated, interval = setting.simulated(), setting.job.interval_s
    for k, allocation in enumerate(allocations[1:], start=1):
        simulated.advance(setting.start + k * interval)
        simulated.apply(allocation)
    simulated.advance(setting.start + len(allocations) * interval)
    return outcome(setting, simulated)


def outcome(setting: Setting, simulated: SimulatedJob) -> Achieved:
    """What a job that was not measured before has come to by now."""
    batches = simulated.measure().batches
    target = setting.job.objectives.latency_target_ms
    late = sum(batch.latency_ms > target for batch in batches)
    return Achieved(
        slo_attainment=1 - late / len(batches) if batches else math.nan,
        cost_dollars=simulated.cost_dollars,
        late_batches=late + overdue_batches(setting, simulated),
        batches=len(batches),
        restarts=simulated.cluster.restarts,
    )


def overdue_batches(setting: Setting, simulated: SimulatedJob) -> int:
    """Late batches that the rows not worked off by now will make at least."""
    due = max(simulated.now - setting.job.objectives.latency_target_ms / 1000, setting.start)
    rows = setting.workload.arrivals(setting.start, due) - simulated.cluster.processed
    if rows <= ROUNDED_ROWS:
        return 0
    return math.ceil(rows / setting.profile.most_rows) if setting.profile.most_rows else 1
