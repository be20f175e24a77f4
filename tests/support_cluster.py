"""Loads and allocations for tests of the cluster model."""

from collections.abc import Sequence

import numpy as np

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_sim.workload import Workload

START = 1_700_000_000.0


def load(rates: Sequence[float], step_s: float = 60.0) -> Workload:
    """A load of consecutive rates (messages/s), each for ``step_s`` seconds, that repeats from START on."""
    times = START + step_s * np.arange(len(rates), dtype=np.float64)
    return Workload(name="test", times=times, rates=np.array(rates), end=START + step_s * len(rates))


def allocation(
    executors: int = 4,
    *,
    memory_mib: int = 2048,
    tier: Tier = Tier.WARM,
    compression: Compression = Compression.LZ4,
) -> Allocation:
    return Allocation(executors=executors, memory_mib=memory_mib, tier=tier, compression=compression)
