"""A simulated job: the cluster model behind the same four verbs that a live job has."""

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.job import Prices
from sparkiot_policies.measurement import EdgeSignal, Measurement

from .calibration import Calibration, calibration_with
from .cluster import SECONDS_PER_HOUR, Cluster
from .profile import JobProfile
from .signals import Edge
from .work import BYTES_PER_MB
from .workload import Load


class SimulatedJob:
    """One job in virtual time. The caller's clock drives it: ``advance``, then ``measure``, then ``apply``.

    preset: name of a preset, of the given calibration or else of a shipped one. start: epoch seconds. backlog: messages
    that wait at the start.
    The same seed, load and allocations give the same batches, however often the job is advanced or measured.
    Raises CalibrationError for an unknown preset.
    """

    def __init__(
        self,
        *,
        profile: JobProfile,
        workload: Load,
        edge: Edge | None,
        allocation: Allocation,
        start: float,
        seed: int,
        preset: str = "edge-small",
        calibration: Calibration | None = None,
        prices: Prices = Prices(),
        backlog: float = 0.0,
    ) -> None:
        calibration = calibration or calibration_with(preset)
        self.cluster = Cluster(
            profile=profile,
            workload=workload,
            calibration=calibration,
            preset=calibration.preset(preset),
            prices=prices,
            allocation=allocation,
            start=start,
            seed=seed,
            backlog=backlog,
        )
        self._edge = edge
        self._looked = start
        self._looked_cpu_s = 0.0
        self._looked_shuffle_dollars = 0.0
        self._looked_lost = 0
        self._looked_oom = 0
        self._drained = 0

    @property
    def allocation(self) -> Allocation:
        """The allocation asked for last."""
        return self.cluster.allocation

    @property
    def now(self) -> float:
        return self.cluster.now

    @property
    def cost_dollars(self) -> float:
        """All that was billed since the start."""
        return self.cluster.dollars

    @property
    def in_flight(self) -> float:
        """Messages of the batch that runs."""
        return self.cluster.in_flight

    @property
    def out_of_memory(self) -> int:
        """Executors killed for want of memory since the start."""
        return self.cluster.out_of_memory

    def advance(self, now: float) -> None:
        """Move virtual time on to ``now``, epoch seconds. Raises ValueError when that lies in the past."""
        self.cluster.advance(now)

    def signal(self) -> EdgeSignal | None:
        """What the edge announced last; None without an edge or while it is silent."""
        return self._edge.signal_at(self.cluster.now) if self._edge else None

    def apply(self, allocation: Allocation) -> None:
        """Ask for an allocation; executors and restarts take the time that the preset says."""
        self.cluster.apply(allocation)

    def drain(self, count: int) -> None:
        """So many executors have to end, as when their node is drained: others are asked for ahead of their end."""
        self._drained += self.cluster.drain(count)

    def measure(self) -> Measurement:
        """What an observer sees now; rates, batches and counts since its last look."""
        cluster, now = self.cluster, self.cluster.now
        elapsed = now - self._looked
        rate = cpu = cost_per_hour = None
        cpu_s, shuffle_dollars = cluster.cpu_s, cluster.shuffle_dollars
        if elapsed > 0:
            rate = cluster.workload.arrivals(self._looked, now) / elapsed
            cpu = min(100 * (cpu_s - self._looked_cpu_s) / elapsed, 100.0)
            shuffle_per_hour = (shuffle_dollars - self._looked_shuffle_dollars) * SECONDS_PER_HOUR / elapsed
            cost_per_hour = cluster.compute_per_hour + shuffle_per_hour
        lost, out_of_memory = cluster.lost_executors, cluster.out_of_memory
        last = cluster.last
        volume_mb = last.rows * cluster.profile.message_bytes / BYTES_PER_MB if last else None
        measurement = Measurement(
            time=now,
            rate=rate,
            backlog=cluster.backlog,
            volume_mb=volume_mb,
            shuffle_mb=volume_mb * cluster.profile.shuffle_fraction if volume_mb is not None else None,
            cpu=cpu,
            memory=min(100 * last.work.pressure, 100.0) if last else None,
            state_mib=cluster.state_mib,
            running=cluster.pool.running,
            pending=cluster.pool.pending,
            leaving=max(self._drained, cluster.pool.ending),
            temperature=cluster.temperature,
            cost_per_hour=cost_per_hour,
            trigger_interval_s=cluster.profile.trigger_interval_s,
            batches=cluster.take_batches(),
            applied=cluster.allocation,
            startup_s=cluster.pool.startup_s,
            restart_cost_s=cluster.restart_cost_s,
            lost_executors=lost - self._looked_lost,
            out_of_memory=out_of_memory - self._looked_oom,
        )
        self._looked, self._looked_cpu_s, self._looked_shuffle_dollars = now, cpu_s, shuffle_dollars
        self._looked_lost, self._looked_oom, self._drained = lost, out_of_memory, 0
        return measurement
