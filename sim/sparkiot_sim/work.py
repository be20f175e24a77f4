"""How long one micro-batch takes: fixed cost, rows over effective parallelism, memory pressure, shuffle."""

from typing import NamedTuple

from sparkiot_policies.allocation import Allocation

from .calibration import Calibration
from .profile import JobProfile

BYTES_PER_MB = 1e6
BYTES_PER_MIB = 2**20
BYTES_PER_GIB = 2**30


class BatchWork(NamedTuple):
    """What one micro-batch costs. A tuple, as one is made for every batch.

    duration_s: of the whole batch. fixed_s: of it, the first seconds, which no executor shares. cpu_s: of it, the
    seconds in which executors compute, serialise what spills, or collect garbage. pressure: working set over usable
    memory of an executor. shuffle_gib: compressed bytes written.
    out_of_memory: an executor is killed on the way.
    """

    duration_s: float
    fixed_s: float
    cpu_s: float
    pressure: float
    shuffle_gib: float
    out_of_memory: bool


class WorkModel:
    """The cost of a batch under one allocation; rebuilt when memory, tier or compression change."""

    def __init__(self, *, profile: JobProfile, calibration: Calibration, allocation: Allocation) -> None:
        batch, memory = calibration.batch, calibration.memory
        tier = calibration.tiers[allocation.tier]
        compression = calibration.compression[allocation.compression]
        self._fixed_s = batch.fixed_s.value
        self._exponent = batch.scaling_exponent.value
        self._row_s = 1 / profile.rate_per_executor
        shuffle_mb = profile.message_bytes * profile.shuffle_fraction / BYTES_PER_MB
        if compression.throughput_mb_s:
            self._row_s += shuffle_mb / compression.throughput_mb_s.value
        self._stored_mb = shuffle_mb * compression.ratio.value
        self._stored_gib = self._stored_mb * BYTES_PER_MB / BYTES_PER_GIB
        self._access_s = tier.access_s.value
        self._stream_mb_s = tier.bandwidth_mb_s.value
        self._streams = tier.streams.value
        self._usable_mib = max((allocation.memory_mib - memory.reserved_mib.value) * memory.usable_fraction.value, 1.0)
        self._row_mib = profile.message_bytes * memory.expansion.value / BYTES_PER_MIB
        self._spill = memory.spill_slowdown.value
        self._oom_pressure = memory.oom_pressure.value
        self._lost_share = memory.oom_lost_share.value

    def batch(self, *, rows: float, state_mib: float, executors: float, temperature: float) -> BatchWork:
        """The cost of a batch of ``rows`` on so many executors, at least 1, that hold ``state_mib`` together."""
        working_set = (state_mib + rows * self._row_mib) / executors
        pressure = working_set / self._usable_mib
        # Beyond the killing point a retry runs fewer tasks at once, so that it fits, at the pace it had just there.
        out_of_memory = pressure > self._oom_pressure
        cpu_s = rows * self._row_s / executors**self._exponent
        if pressure > 1:
            cpu_s *= 1 + self._spill * (min(pressure, self._oom_pressure) - 1)
        if out_of_memory:
            cpu_s *= 1 + self._lost_share
        fixed_s = self._fixed_s
        shared_s = cpu_s
        if rows * self._stored_mb > 0:
            # written once, read once, and again with the probability that the data's temperature stands for
            passes = 2 + temperature
            bandwidth = self._stream_mb_s * min(executors, self._streams)
            fixed_s += passes * self._access_s
            shared_s += passes * rows * self._stored_mb / bandwidth
        return BatchWork(
            duration_s=fixed_s + shared_s,
            fixed_s=fixed_s,
            cpu_s=cpu_s,
            pressure=pressure,
            shuffle_gib=rows * self._stored_gib,
            out_of_memory=out_of_memory,
        )
