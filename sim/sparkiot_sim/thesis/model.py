"""One step of the thesis arena as arithmetic over arrays. Source: the arena's public description."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES

Floats = npt.NDArray[np.float64]
Actions = npt.NDArray[np.int64]

EXECUTOR_HOUR, GB_HOUR = 0.10, 0.05
"""$/h of an executor and of a GB of its memory."""
SHUFFLE_GB = np.array([0.10, 0.05, 0.02, 0.005])
"""$/GB of compressed shuffle by tier: Redis, NVMe, S3, Glacier."""
RATIO = np.array([1.0, 0.6, 0.3])
"""Compressed over raw size: none, LZ4, ZSTD."""
ACCESS_MS = np.array([5.0, 20.0, 100.0, 5000.0])
"""Milliseconds to move 100 MB of compressed shuffle, by tier."""
DECOMPRESS_MS = np.array([0.0, 10.0, 50.0])
"""Milliseconds to decompress 100 MB of raw shuffle."""
COMPUTE_MS = 100.0
"""Milliseconds of compute for 1 message/s on 1 executor with 1 GB."""
SHORTEST_MS = 10.0
SLA_MS = 1000.0
"""Latency above it violates the SLA."""
HOT_TEMPERATURE, COLD_TIER_FROM, MISPLACED = 0.7, 2, 0.5
"""Data hotter than this on S3 or Glacier costs this much reward."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave, every array of shape (N,). cost: $/h. latency: ms. throughput: the arena's own unit.
    cpu, memory: percent."""

    cost: Floats
    latency: Floats
    throughput: Floats
    cpu: Floats
    memory: Floats


def play(actions: Actions, *, rate: Floats, volume: Floats, shuffle: Floats) -> Outcome:
    """The outcome of MultiDiscrete actions, shape (N, 4), under a load of shape (N,): messages/s, MB, raw MB."""
    executors = actions[:, 0] + 1
    memory = actions[:, 1] + 1
    tier, compression = actions[:, 2], actions[:, 3]
    gigabytes = executors * memory
    moved = RATIO[compression] * shuffle
    cost = EXECUTOR_HOUR * executors + GB_HOUR * gigabytes + moved / 1024 * SHUFFLE_GB[tier]
    busy = COMPUTE_MS * rate / gigabytes
    latency = busy + ACCESS_MS[tier] * moved / 100 + DECOMPRESS_MS[compression] * shuffle / 100
    latency = np.maximum(latency, SHORTEST_MS)
    return Outcome(
        cost=cost,
        latency=latency,
        throughput=gigabytes * 1000 / latency,
        cpu=np.minimum(busy, 100.0),  # 100 ms per message and GB makes this the percentage, too
        memory=np.minimum(100 * volume / gigabytes, 100.0),
    )


def reward(outcome: Outcome, actions: Actions, *, weights: Floats, temperature: Floats) -> Floats:
    """The arena's reward, shape (N,), for weights (α, β, γ) of shape (N, 3)."""
    misplaced = (temperature > HOT_TEMPERATURE) & (actions[:, 2] >= COLD_TIER_FROM)
    gain = (
        -weights[:, 0] * outcome.cost / 10
        - weights[:, 1] * outcome.latency / 1000
        + weights[:, 2] * outcome.throughput / 1000
    )
    return np.where(misplaced, gain - MISPLACED, gain)


def all_actions() -> Actions:
    """Every action of the space, shape (1920, 4)."""
    grid = np.meshgrid(*(np.arange(n) for n in ACTION_SIZES), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, len(ACTION_SIZES)).astype(np.int64)
