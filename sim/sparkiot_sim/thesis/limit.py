"""The limit: the cheapest action of all 1,920 that meets the SLA, step by step, with the rate known."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES

from .draws import LARGEST_SHUFFLE_MB, Draws
from .model import (
    ACCESS_MS,
    COMPUTE_MS,
    DECOMPRESS_MS,
    EXECUTOR_HOUR,
    GB_HOUR,
    RATIO,
    SHUFFLE_GB,
    SLA_MS,
    Actions,
    Floats,
)

Knowledge = Literal["known", "worst"]

MOST_GB = ACTION_SIZES[0] * ACTION_SIZES[1]
ROUNDING = 1e-12
"""Relative; a need that equals a size but for rounding errors takes the next larger size."""


def limit_actions(draws: Draws, shuffle: Knowledge) -> Actions:
    """The cheapest safe actions, shape (T, N, 4).

    shuffle: ``known`` knows each step's shuffle size, which no policy of the default arena can; ``worst`` assumes the
    largest one. Raises ValueError when a step cannot be met by any action.
    """
    sizes = draws.shuffle if shuffle == "known" else np.full_like(draws.rate, LARGEST_SHUFFLE_MB)
    cheapest = np.full(draws.rate.shape, np.inf)
    chosen = np.zeros((*draws.rate.shape, len(ACTION_SIZES)), dtype=np.int64)
    for tier in range(ACTION_SIZES[2]):
        for compression in range(ACTION_SIZES[3]):
            needed = _gigabytes_needed(draws.rate, sizes, tier, compression)
            cost = _COMPUTE_COST[needed] + RATIO[compression] * sizes / 1024 * SHUFFLE_GB[tier]
            better = cost < cheapest
            cheapest = np.where(better, cost, cheapest)
            chosen[better, :2] = _COMPUTE_ACTION[needed[better]]
            chosen[better, 2:] = tier, compression
    if np.isinf(cheapest).any():
        raise ValueError("no action meets the SLA at some step of these traces")
    return chosen


def _gigabytes_needed(rate: Floats, shuffle: Floats, tier: int, compression: int) -> npt.NDArray[np.int64]:
    """Memory over all executors that brings the latency to the SLA; MOST_GB + 1 where none does."""
    moving = ACCESS_MS[tier] * RATIO[compression] * shuffle / 100 + DECOMPRESS_MS[compression] * shuffle / 100
    left = np.maximum(SLA_MS - moving, ROUNDING)
    needed: Floats = np.ceil(COMPUTE_MS * rate / left * (1 + ROUNDING))
    return np.minimum(needed, MOST_GB + 1).astype(np.int64)


def _cheapest_compute() -> tuple[Floats, Actions]:
    """For each need in GB up to MOST_GB + 1: $/h and action (executors, memory) of the cheapest that covers it."""
    executors, memory = np.meshgrid(np.arange(ACTION_SIZES[0]), np.arange(ACTION_SIZES[1]), indexing="ij")
    pairs = np.stack((executors.ravel(), memory.ravel()), axis=1)
    gigabytes = (pairs + 1).prod(axis=1)
    cost = EXECUTOR_HOUR * (pairs[:, 0] + 1) + GB_HOUR * gigabytes
    eligible = np.where(gigabytes >= np.arange(MOST_GB + 2)[:, None], cost, np.inf)
    best = eligible.argmin(axis=1)
    return eligible[np.arange(MOST_GB + 2), best], pairs[best]


_COMPUTE_COST, _COMPUTE_ACTION = _cheapest_compute()
