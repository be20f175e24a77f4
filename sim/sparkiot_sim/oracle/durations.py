"""What a batch takes at the least, for whole arrays of loads, memories, tiers and executors at once.

The vectorised twin of ``work.WorkModel``; a test holds the two together.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_policies.job import Prices
from sparkiot_sim.calibration import Calibration
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.work import BYTES_PER_GIB, BYTES_PER_MB, BYTES_PER_MIB

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffle:
    """Ways to shuffle, one element each, shape (S,).

    row_s: seconds of one executor for a row. stored_mb: MB of a row. access_s, bandwidth_mb_s, streams: of the tier.
    row_dollars: $ of a row.
    """

    tiers: tuple[Tier, ...]
    compressions: tuple[Compression, ...]
    row_s: Array
    stored_mb: Array
    access_s: Array
    bandwidth_mb_s: Array
    streams: Array
    row_dollars: Array


def shuffles(
    *,
    profile: JobProfile,
    calibration: Calibration,
    prices: Prices,
    tiers: tuple[Tier, ...],
    compressions: tuple[Compression, ...],
) -> Shuffle:
    """Every pair of an allowed tier and an allowed compression."""
    pairs = [(tier, compression) for tier in tiers for compression in compressions]
    shuffle_mb = profile.message_bytes * profile.shuffle_fraction / BYTES_PER_MB
    packing = [calibration.compression[compression] for _, compression in pairs]
    places = [calibration.tiers[tier] for tier, _ in pairs]
    stored_mb = shuffle_mb * np.array([p.ratio.value for p in packing])
    packing_s = [shuffle_mb / p.throughput_mb_s.value if p.throughput_mb_s else 0.0 for p in packing]
    return Shuffle(
        tiers=tuple(tier for tier, _ in pairs),
        compressions=tuple(compression for _, compression in pairs),
        row_s=1 / profile.rate_per_executor + np.array(packing_s),
        stored_mb=stored_mb,
        access_s=np.array([t.access_s.value for t in places]),
        bandwidth_mb_s=np.array([t.bandwidth_mb_s.value for t in places]),
        streams=np.array([t.streams.value for t in places]),
        row_dollars=stored_mb * BYTES_PER_MB / BYTES_PER_GIB * np.array([prices.shuffle_gib[t] for t, _ in pairs]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """Batch durations of one job. memory_mib: those considered, shape (M,).

    Arguments broadcast against (…, M, S): memories, then ways to shuffle.
    """

    profile: JobProfile
    calibration: Calibration
    shuffle: Shuffle
    memory_mib: Array

    @property
    def usable_mib(self) -> Array:
        """Of an executor, shape (M,)."""
        memory = self.calibration.memory
        return np.maximum((self.memory_mib - memory.reserved_mib.value) * memory.usable_fraction.value, 1.0)

    def slowdown(self, *, rows: Array | float, state_mib: Array | float, executors: Array | Counts | float) -> Array:
        """By how much memory pressure stretches computing."""
        memory = self.calibration.memory
        row_mib = self.profile.message_bytes * memory.expansion.value / BYTES_PER_MIB
        pressure = (state_mib + rows * row_mib) / executors / self.usable_mib[:, None]
        most = memory.oom_pressure.value
        slow = 1 + memory.spill_slowdown.value * np.clip(np.minimum(pressure, most) - 1, 0.0, None)
        slower: Array = np.where(pressure > most, slow * (1 + memory.oom_lost_share.value), slow)
        return slower

    def fixed_s(self, temperature: Array | float) -> Array:
        """Seconds of a batch, whatever its rows."""
        access = (2 + temperature) * self.shuffle.access_s * (self.shuffle.stored_mb > 0)
        return self.calibration.batch.fixed_s.value + np.asarray(access)

    def row_s(self, *, executors: Array | Counts | float, temperature: Array | float, slowdown: Array | float) -> Array:
        """Seconds of a batch for each of its rows."""
        shuffle = self.shuffle
        bandwidth = shuffle.bandwidth_mb_s * np.minimum(executors, shuffle.streams)
        moving = (2 + temperature) * shuffle.stored_mb / bandwidth
        computing = shuffle.row_s * slowdown / np.asarray(executors) ** self.calibration.batch.scaling_exponent.value
        return np.asarray(computing + moving)
