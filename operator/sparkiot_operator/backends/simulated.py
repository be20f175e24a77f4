"""The simulated backend: a job of the cluster model in the operator's own process, driven by job time.

It stands for a real cluster that goes on while the operator is away: an adopted job is played from its last observation
to now with the allocation that its status desires, and what arrives while a job is suspended waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from sparkiot_operator.errors import (
    ApiNotFoundError,
    ApiRefusedError,
    ApiUnreachableError,
    BackendFailedError,
    BackendRefusedError,
)
from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.spec import ConfigMapKey, Simulation, TraceSource
from sparkiot_policies.allocation import Allocation
from sparkiot_sim.generators import DAY_S, Kind, generate
from sparkiot_sim.profile import PROFILES, JobProfile
from sparkiot_sim.signals import EdgeModel, SignalQuality
from sparkiot_sim.simulated import SimulatedJob
from sparkiot_sim.trace import TraceError, parse_trace
from sparkiot_sim.workload import Workload

from .base import Inherited, Observed

ReadConfigMap = Callable[[str], Awaitable[Mapping[str, str]]]

GENERATED_STEP_S = 60.0
"""Resolution of generated load: fine enough for bursts of minutes, small enough for hundreds of jobs."""
SLICE_S = 600.0
"""Job time played before other jobs get their turn."""
MAX_CATCH_UP_S = DAY_S
"""An adopted job is played at most so far; beyond it, the time between is left out."""
RATE_ERROR = 0.1
"""Relative error of the edge's predicted rate; the resource states only which bursts it sees."""


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
        self._duration_s = seconds(spec.duration) if spec.duration else None

    @property
    def finished(self) -> bool:
        if self._job is None or self._duration_s is None:
            return False
        return self._job.now >= self._origin + self._duration_s

    async def ensure(self, allocation: Allocation, *, now: float) -> None:
        if self._job is not None:
            return
        workload = await self._load()
        start, backlog = _where_to_start(self._inherited, workload, now)
        self._job = SimulatedJob(
            profile=self._profile(),
            workload=workload,
            edge=self._edge(workload),
            allocation=allocation,
            start=start,
            seed=self._spec.seed,
            preset=self._spec.preset,
            backlog=backlog,
        )
        await self._advance(self._job, now)

    async def observe(self, *, now: float) -> Observed:
        job = self._running()
        await self._advance(job, now)
        return Observed(job.measure(), job.signal())

    async def apply(self, allocation: Allocation, *, now: float) -> None:
        job = self._running()
        await self._advance(job, now)
        job.apply(allocation)

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
            generator, trace = self._spec.workload.generator, self._spec.workload.trace
            if generator is not None:
                self._workload = _generated(Kind(generator.kind), generator.mean_rate, self._spec.seed)
            elif trace is not None:
                self._workload = _from(await self._trace(trace), self._origin)
            else:
                raise BackendRefusedError("InvalidSpec", "spec.simulation.workload: state a generator or a trace")
        return self._workload

    async def _trace(self, source: TraceSource) -> Workload:
        ref = source.config_map_key_ref
        name = f"ConfigMap {ref.name}, key {ref.key}"
        text = await self._read(ref, name)
        try:
            workload = parse_trace(text, name=name).workload
            return workload.scaled(source.mean_rate) if source.mean_rate else workload
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

    def _profile(self) -> JobProfile:
        generator = self._spec.workload.generator
        return PROFILES[Kind(generator.kind)] if generator else JobProfile()

    def _edge(self, workload: Workload) -> EdgeModel | None:
        edge = self._spec.edge
        if edge is None:
            return None
        try:
            quality = SignalQuality(recall=edge.recall, false_alarms=edge.false_alarms, rate_error=RATE_ERROR)
            return EdgeModel(workload, quality, seed=self._spec.seed, lead_s=seconds(edge.lead))
        except ValueError as error:
            raise BackendRefusedError("InvalidSpec", f"spec.simulation.edge: {error}") from error


@lru_cache(maxsize=64)
def _generated(kind: Kind, mean_rate: float, seed: int) -> Workload:
    """One working day of load that repeats; jobs of one recipe share it."""
    return generate(kind, mean_rate=mean_rate, duration_s=DAY_S, step_s=GENERATED_STEP_S, seed=seed)


def _from(workload: Workload, origin: float) -> Workload:
    """The same load, begun at ``origin``."""
    shift = origin - workload.start
    return replace(workload, times=workload.times + shift, end=workload.end + shift)


def _where_to_start(inherited: Inherited | None, workload: Workload, now: float) -> tuple[float, float]:
    """From when on the job is played, and the backlog then."""
    if inherited is None:
        return now, 0.0
    backlog = inherited.backlog or 0.0
    if not inherited.running:
        return now, backlog + workload.arrivals(inherited.time, now)
    return min(max(inherited.time, now - MAX_CATCH_UP_S), now), backlog
