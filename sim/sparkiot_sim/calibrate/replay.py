"""The measured run once more, in the cluster model with the measured constants: what it predicts against what was.

The same rows arrive at the same times and the same executors are there from the same times on. The model takes its own
batches, so an error in one moves those after it, as it would in a simulation: nothing is set right in between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.job import Prices
from sparkiot_policies.measurement import Batch
from sparkiot_sim.calibration import Calibration, Constant, Preset
from sparkiot_sim.cluster import Cluster
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.workload import Workload

from .records import BatchRecord, Recording

APPEARS_S = 0.01
"""Within which the rows of a file arrive: the model's load is a rate."""
SETTLE_S = 600.0
"""After the last arrival, for the model to work off what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One real batch and the model's batch that held its middle row. Durations and latencies in seconds."""

    measured: BatchRecord
    predicted_s: float

    @property
    def error(self) -> float:
        """Predicted over measured duration, less one."""
        return self.predicted_s / self.measured.duration_s - 1


def replay(recording: Recording, calibration: Calibration, *, row_s: float) -> list[Comparison]:
    """What the model predicts for each batch of a recording. row_s: of one executor, from the fit.

    Raises ValueError for a recording without executors, arrivals or batches.
    """
    if not (recording.executors and recording.arrivals and recording.batches):
        raise ValueError(f"recording {recording.name!r} holds no executors, arrivals or batches")
    interval = recording.trigger_interval_s
    # Spark counts its triggers from the epoch.
    first = min(recording.arrivals[0].time, recording.batches[0].start)
    start = math.floor(first / interval) * interval - interval
    end = recording.batches[-1].end + SETTLE_S
    counts = [step for step in recording.executors if step.time > start]
    before = [step.count for step in recording.executors if step.time <= start]
    # Without a tier's access time: this job's own shuffle is part of what was fitted.
    allocation = Allocation(
        executors=max(before[-1] if before else counts[0].count, 1),
        memory_mib=recording.memory_mib,
        tier=Tier.WARM,
        compression=Compression.NONE,
    )
    cluster = Cluster(
        profile=JobProfile(
            rate_per_executor=1 / row_s,
            shuffle_fraction=0.0,
            state_mib=0.0,
            message_bytes=1.0,
            trigger_interval_s=interval,
            most_rows=None,
        ),
        workload=_workload(recording, start, end),
        calibration=calibration,
        preset=_AT_ONCE,
        prices=Prices(),
        allocation=allocation,
        start=start,
        seed=0,
    )
    for step in counts:
        cluster.advance(step.time)
        cluster.apply(
            Allocation(
                executors=max(step.count, 1),
                memory_mib=allocation.memory_mib,
                tier=allocation.tier,
                compression=allocation.compression,
            )
        )
    cluster.advance(end)
    return _paired(recording.batches, cluster.take_batches())


def median_error(comparisons: Sequence[Comparison]) -> float:
    """The median of the errors' sizes, as a share. Raises ValueError without comparisons."""
    if not comparisons:
        raise ValueError("there is nothing to compare")
    return float(np.median([abs(c.error) for c in comparisons]))


def _workload(recording: Recording, start: float, end: float) -> Workload:
    edges, last = {start: 0.0}, start
    for arrival in recording.arrivals:
        begin = max(arrival.time, last)
        last = begin + APPEARS_S
        edges |= {begin: arrival.rows / APPEARS_S, last: 0.0}
    return Workload(name=recording.name, times=np.array(list(edges)), rates=np.array(list(edges.values())), end=end + 1)


def _paired(measured: Sequence[BatchRecord], simulated: Sequence[Batch]) -> list[Comparison]:
    done = list(accumulate(batch.rows for batch in simulated))
    found, before = [], 0
    for batch in measured:
        middle = before + batch.rows / 2
        before += batch.rows
        # Rows are counted in fractions: the last batch may end a hair short.
        at = next((i for i, rows in enumerate(done) if rows >= middle), None)
        if at is not None:
            found.append(Comparison(measured=batch, predicted_s=simulated[at].duration_s))
    return found


def _constant(value: float) -> Constant:
    return Constant(value=value, unit="s", source="replay: executors are there when the recording says so")


_AT_ONCE = Preset(
    trigger_interval_s=_constant(1.0),
    startup_s=_constant(1e-6),
    startup_spread=_constant(0.0),
    decommission_s=_constant(0.0),
    restart_s=_constant(1e-6),
    restart_spread=_constant(0.0),
    losses_per_hour=_constant(0.0),
)
