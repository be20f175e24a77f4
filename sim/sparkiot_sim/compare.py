"""Policies beside each other on the same episodes of the realistic arena."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.rules import rule

from .episode import Episode, run_episode
from .generators import DAY_S, Kind
from .setting import Setting, standard_setting

HELD_OUT_SEEDS = tuple(range(1001, 1011))
"""Of the episodes that policies are judged on. Training draws loads at random from 2**31 seeds."""
HOURS = 3.0
"""Of each episode; the seeds spread them over the day, so that together they see all of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """Means over a kind's episodes. slo_attainment: share of batches, also of the worst episode."""

    policy: str
    workload: str
    slo_attainment: float
    slo_attainment_worst: float
    cost_dollars: float
    latency_p95_ms: float
    scalings_per_hour: float
    fallback_share: float

    def to_dict(self) -> dict[str, str | float]:
        return asdict(self)


def held_out(kind: Kind, seed: int, *, hours: float = HOURS, preset: str = "cloud-coldstart") -> Setting:
    """An episode that training has not seen: some hours of a standard day, beginning at an hour that the seed picks."""
    day = standard_setting(kind, seed=seed, preset=preset)
    hour = seed % len(HELD_OUT_SEEDS) / len(HELD_OUT_SEEDS) * DAY_S
    return replace(day, start=day.start + hour, duration_s=hours * 3600)


def play(setting: Setting, policy: Policy, *, meta: MetaController | None = None) -> Episode:
    """Run a setting under a policy, with Rate to fall back on."""
    return run_episode(
        job=setting.job,
        simulated=setting.simulated(),
        policy=policy,
        fallback=rule("Rate"),
        meta=meta,
        duration_s=setting.duration_s,
        start=setting.start,
    )


def compare(
    policies: Mapping[str, Policy], *, kinds: Iterable[Kind] = Kind, seeds: Sequence[int] = HELD_OUT_SEEDS
) -> list[Row]:
    """One row for each policy and kind of workload, over the held-out episodes of some seeds."""
    return [
        _row(name, kind, [play(held_out(kind, seed), policy) for seed in seeds])
        for kind in kinds
        for name, policy in policies.items()
    ]


def _row(name: str, kind: Kind, episodes: Sequence[Episode]) -> Row:
    summaries = [episode.summary for episode in episodes]
    cycles = [cycle for episode in episodes for cycle in episode.cycles]
    return Row(
        policy=name,
        workload=kind.value,
        slo_attainment=float(np.mean([s.slo_attainment for s in summaries])),
        slo_attainment_worst=min(s.slo_attainment for s in summaries),
        cost_dollars=float(np.mean([s.cost_dollars for s in summaries])),
        latency_p95_ms=float(np.mean([s.latency_p95_ms for s in summaries])),
        scalings_per_hour=sum(s.scalings for s in summaries) / (len(episodes) * HOURS),
        fallback_share=sum(c.decision.fallback is not None for c in cycles) / len(cycles),
    )
