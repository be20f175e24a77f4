"""The simulated backend: a job of the cluster model in the operator's own process, driven by job time.

It stands for a real cluster that goes on while the operator is away: an adopted job is played from its last observation
to now with the allocation that its status desires, and what arrives while a job is suspended waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from sparkiot_operator.allocations import applied_status
from sparkiot_operator.errors import (
    ApiNotFoundError,
    ApiRefusedError,
    ApiUnreachableError,
    BackendFailedError,
    BackendRefusedError,
)
from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.spec import ConfigMapKey, Simulation, TraceSource
from sparkiot_operator.resource.status import Phase
from sparkiot_operator.simulation import generated_workload, simulated_job, starting_at, trace_workload
from sparkiot_sim.generators import DAY_S
from sparkiot_sim.simulated import SimulatedJob
from sparkiot_sim.trace import TraceError
from sparkiot_sim.workload import Workload

from .base import BackendState, Desired, Inherited, Observed

ReadConfigMap = Callable[[str], Awaitable[Mapping[str, str]]]

SLICE_S = 600.0
"""Job time played before other jobs get their turn."""
MAX_CATCH_UP_S = DAY_S
"""An adopted job is played at most so far; beyond it, the time between is left out."""


class SimulatedBackend:
    """One simulated job.

    origin: job time at which the simulation began, epoch seconds: a trace starts there. read_config_map: reads one of
    the job's namespace by name. inherited: what an earlier operator left; None for a job that never ran.
    """

    def __init__(
        self,
        spec: Simulation,
        *,
        origin: float,
        read_config_map: ReadConfigMap,
        inherited: Inherited | None,
    ) -> None:
        self._spec = spec
        self._origin = origin
        self._read_config_map = read_config_map
        self._inherited = inherited
        self._workload: Workload | None = None
        self._job: SimulatedJob | None = None
        self._desired: Desired | None = None
        self._duration_s = seconds(spec.duration) if spec.duration else None

    @property
    def state(self) -> BackendState:
        job, desired = self._job, self._desired
        if job is None or desired is None:
            return BackendState(phase=Phase.PENDING, ready=False, reason="Starting", message="the simulation starts")
        applied = applied_status(desired.allocation, generation=desired.generation)
        if self._duration_s is not None and job.now >= self._origin + self._duration_s:
            message = "the job came to its end"
            return BackendState(
                phase=Phase.COMPLETED, ready=False, reason="Completed", message=message, applied=applied
            )
        message = "the job runs and is observed"
        return BackendState(phase=Phase.RUNNING, ready=True, reason="Running", message=message, applied=applied)

    async def ensure(self, desired: Desired, *, now: float) -> None:
        if self._job is not None:
            return
        workload = await self._load()
        start, backlog = _where_to_start(self._inherited, workload, now)
        self._job = simulated_job(self._spec, workload, allocation=desired.allocation, start=start, backlog=backlog)
        self._desired = desired
        await self._advance(self._job, now)

    async def observe(self, *, now: float) -> Observed:
        job = self._running()
        await self._advance(job, now)
        return Observed(job.measure(), job.signal())

    async def apply(self, desired: Desired, *, now: float) -> None:
        job = self._running()
        if desired == self._desired:
            return
        await self._advance(job, now)
        job.apply(desired.allocation)
        self._desired = desired

    async def stop(self, *, now: float) -> None:
        """What is not processed waits: a later ``ensure`` goes on with it and with what arrived meanwhile."""
        if self._job is None:
            return
        await self._advance(self._job, now)
        self._inherited = Inherited(time=self._job.now, backlog=self._job.measure().backlog, running=False)
        self._job = None

    def _running(self) -> SimulatedJob:
        if self._job is None:
            raise BackendFailedError("NotStarted", "the simulated job is not running")
        return self._job

    async def _advance(self, job: SimulatedJob, now: float) -> None:
        """Play up to ``now``, or to the job's end, in slices that leave room for the other jobs."""
        end = now if self._duration_s is None else min(now, self._origin + self._duration_s)
        while job.now < end:
            job.advance(min(end, job.now + SLICE_S))
            if job.now < end:
                await asyncio.sleep(0)

    async def _load(self) -> Workload:
        if self._workload is None:
            trace = self._spec.workload.trace
            load = generated_workload(self._spec) or (await self._trace(trace) if trace else None)
            if load is None:
                raise BackendRefusedError("InvalidSpec", "spec.simulation.workload: state a generator or a trace")
            self._workload = starting_at(load, self._origin)
        return self._workload

    async def _trace(self, source: TraceSource) -> Workload:
        ref = source.config_map_key_ref
        name = f"ConfigMap {ref.name}, key {ref.key}"
        text = await self._read(ref, name)
        try:
            return trace_workload(text, name=name, mean_rate=source.mean_rate)
        except TraceError as error:
            raise BackendRefusedError("TraceInvalid", str(error)) from error

    async def _read(self, ref: ConfigMapKey, name: str) -> str:
        try:
            data = await self._read_config_map(ref.name)
        except ApiNotFoundError as error:
            raise BackendRefusedError("TraceNotFound", f"ConfigMap {ref.name} does not exist") from error
        except ApiRefusedError as error:
            raise BackendRefusedError("TraceUnreadable", f"{name}: {error}") from error
        except ApiUnreachableError as error:
            raise BackendFailedError("TraceUnreadable", f"{name}: {error}") from error
        if ref.key not in data:
            have = ", ".join(sorted(data)) or "none"
            raise BackendRefusedError("TraceNotFound", f"{name} does not exist; keys: {have}")
        return data[ref.key]


def _where_to_start(inherited: Inherited | None, workload: Workload, now: float) -> tuple[float, float]:
    """From when on the job is played, and the backlog then."""
    if inherited is None:
        return now, 0.0
    backlog = inherited.backlog or 0.0
    if not inherited.running:
        return now, backlog + workload.arrivals(inherited.time, now)
    return min(max(inherited.time, now - MAX_CATCH_UP_S), now), backlog
