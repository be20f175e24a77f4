"""The loop of one job: when a cycle is due, what a spec edit means, and what happens when something fails.

Nothing is decided here: a session observes and decides, this module calls it in time and writes down what came out.
Whatever one job raises stays in its own loop.
"""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .audit import AuditRecord
from .backends import ENDED, Surroundings, kind_of
from .burst_wake import BurstWake
from .clock import JumpWatch, Tick, next_tick
from .conditions import Finding, degraded, ready, signal_finding
from .cycle_findings import cycle_findings
from .errors import (
    ApiError,
    ApiNotFoundError,
    ApiRefusedError,
    ApiUnreachableError,
    BackendFailedError,
    BackendRefusedError,
)
from .events import Event, EventRecorder, JobRef
from .promotion.findings import promotion_findings
from .publish import StatusPublisher
from .reasons import DegradedReason, ObservationReason
from .remember import remember
from .resource.spec import BackendKind, SparkIoTJobSpec
from .resource.status import ConditionType, Phase
from .resource.translate import InvalidSpecError, parse_spec
from .services import Services
from .session import Session, open_session
from .signals.watch import SignalWatch
from .status import Cycle, build_status
from .status_patch import StatusPatch
from .tier_access import delete_blocks
from .times import parse_timestamp

LOGGER = logging.getLogger(__name__)
LONGEST_WAIT = 2.0
"""Intervals between two cycles, at most."""


class JobLoop:
    """Runs one job until it is cancelled.

    resource: the object as it was last seen, whole (a live view).
    """

    def __init__(self, ref: JobRef, resource: Callable[[], Mapping[str, Any]], services: Services) -> None:
        self._ref = ref
        self._resource = resource
        self._services = services
        self._log = logging.LoggerAdapter(LOGGER, {"job": str(ref)})
        settings, api = services.settings, services.api
        self._events = EventRecorder(ref, create=api.create_event, interval_s=settings.event_interval_seconds)
        self._patch = StatusPatch(ref, api=api, version=str(resource()["metadata"]["resourceVersion"]))
        self._publisher = StatusPublisher(
            resource().get("status") or {},
            patch=self._patch_status,
            events=self._events,
            interval_s=settings.status_interval_seconds,
        )
        self._wake = asyncio.Event()
        self._generation: int | None = None
        self._spec: SparkIoTJobSpec | None = None
        self._session: Session | None = None
        self._tick: Tick | None = None
        self._failures = 0
        self._driver: tuple[object, ...] = ()
        self._bursts = BurstWake(self._wake.set, clock=services.clock)
        self._jumps = JumpWatch(services.clock, services.running) if services.running is not None else None
        self._signals = SignalWatch(
            ref,
            read_secret=lambda name: api.read(f"/api/v1/namespaces/{ref.namespace}/secrets/{name}"),
            clock=services.clock,
            on_burst=self._bursts.notice,
        )

    def notify(self) -> None:
        """The object changed. Only another spec wakes the loop; its own status patches do not."""
        if self._seen_generation() != self._generation:
            self._wake.set()

    def notice_driver(self, pod_status: Mapping[str, Any]) -> None:
        """The job's driver pod changed. Only what changes the job's state wakes the loop."""
        seen = _essence_of_pod(pod_status)
        if seen != self._driver:
            self._driver = seen
            self._wake.set()

    async def run(self) -> None:
        try:
            while True:
                self._wake.clear()
                wait = await self.turn()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
        finally:
            self._bursts.stop()
            self._services.metrics.jobs.forget(self._ref)
            if self._services.timelines is not None:
                self._services.timelines.forget(self._ref)
            self._services.canaries.forget(self._ref.uid)
            await self._signals.stop()

    async def stop(self) -> None:
        """Stop the job itself, because its object goes. Idempotent."""
        session, self._session = self._session, None
        if session is None:
            with contextlib.suppress(InvalidSpecError, BackendRefusedError):
                session = self._open(parse_spec(self._resource()["spec"]), self._services.clock())
        if session is not None:
            await session.stop(session.clock.job_time(self._services.clock()))
            await self._delete_blocks(session.spec)

    async def _delete_blocks(self, spec: SparkIoTJobSpec) -> None:
        """Of the shuffle tiers. What fails is told once and holds up nothing: the object shall be able to go."""
        if kind_of(spec, self._services.settings.default_backend) is not BackendKind.SPARK:
            return
        left = await delete_blocks(self._services.api, spec, self._ref.namespace, self._ref.uid)
        if left:
            message = f"blocks of the job may be left; {'; '.join(map(str, left))}"
            self._log.warning("%s: %s", self._ref, message)
            await self._events.record(Event("ShuffleBlocksLeft", message, warning=True), now=self._services.clock())

    async def turn(self) -> float | None:
        """One turn; seconds until the next, None to wait for a spec edit. Only cancellation leaves it."""
        try:
            if self._jumps is not None and (by := self._jumps.jump()):
                await self._start_over(by)
            wait = await self._turn(self._services.clock())
        except InvalidSpecError as error:
            return await self._refuse("InvalidSpec", str(error), retry=False)
        except BackendRefusedError as error:
            return await self._refuse(error.reason, str(error), retry=True)
        except (ApiError, BackendFailedError) as error:
            # The client itself says once that the API server is away, and a job that is gone is cancelled soon.
            silent = isinstance(error, ApiUnreachableError | ApiNotFoundError)
            self._log.log(logging.DEBUG if silent else logging.WARNING, "%s: %s", self._ref, error)
            return self._backoff()
        except Exception as error:  # noqa: BLE001 - one job's bug must not stop the others
            self._log.exception("%s: the cycle failed", self._ref)
            return await self._report_failure(error)
        self._failures = 0
        return wait

    async def _start_over(self, by: float) -> None:
        """The clock was set: what was noted by it, windows and cool-downs above all, would hold the job for as long as
        it was set back. So the job is adopted as its status left it, as by an operator that was just started."""
        self._log.warning("%s: the clock was set by %+.1f s; the job is taken up anew", self._ref, by)
        self._session = self._tick = None
        self._publisher.clock_was_set()
        self._events.clock_was_set()
        await self._signals.stop()

    async def _turn(self, real: float) -> float | None:
        if self._services.fence is not None:
            self._services.fence()
        spec = self._current_spec()
        if spec.suspend:
            await self._suspend(spec, real)
            return None
        published = self._publisher.published
        if published.phase in ENDED and published.observed_generation == self._generation:
            return await self._expire(spec, real)
        session = self._session_for(spec, real)
        self._session = session
        return await self._cycle(session, real)

    async def _cycle(self, session: Session, real: float) -> float | None:
        metrics = self._services.metrics
        if self._tick is not None and (late := real - session.clock.real_time(self._tick.due)) >= 0:
            metrics.lateness_seconds.observe(late)
        await self._signals.follow(session.spec.edge.signal if session.live and session.spec.edge else None)
        cycle = await session.decide(session.clock.job_time(real), announced=self._signals.edge_signal())
        cycle = replace(cycle, signals=self._signals.view())
        await self._record_status(session, cycle, real)
        if cycle.state.ended:
            self._session = None
            await self._signals.stop()
            return 0.0
        if cycle.allocation != cycle.decision.previous:
            self._log.info("%s: %s", self._ref, cycle.why)
        await session.realize(cycle)
        record = AuditRecord(
            self._ref,
            self._generation or 0,
            cycle.job,
            cycle.evaluation,
            cycle.decision,
            why=cycle.why,
            shadow=cycle.promotion.shadow.decision if cycle.promotion and cycle.promotion.shadow else None,
        )
        remember(self._services, record, session.fallback)
        metrics.record(self._ref, cycle, now=real)
        metrics.cycle_seconds.observe(self._services.clock() - real)
        return self._until_next(session, real)

    async def _record_status(self, session: Session, cycle: Cycle, real: float) -> None:
        """The desired allocation is written before it is applied, so that an operator that dies adopts it.

        A patch of mere measurements that fails costs nothing: the next one carries them.
        """
        status = build_status(
            previous=self._publisher.current,
            phase=cycle.state.phase,
            generation=self._generation,
            findings=[
                *cycle_findings(session, cycle),
                *self._signal_findings(cycle),
                *promotion_findings(cycle.promotion, self._publisher.current.conditions),
            ],
            cycle=cycle,
            now=real,
        )
        self._services.metrics.jobs.sample(self._ref).settle(status)
        try:
            await self._publisher.publish(status, now=real)
        except ApiError as error:
            changed = cycle.allocation != cycle.decision.previous
            if changed or cycle.state.ended or isinstance(error, ApiNotFoundError | ApiRefusedError):
                raise
            self._log.debug("%s: status not written, the job goes on: %s", self._ref, error)

    def _signal_findings(self, cycle: Cycle) -> list[Finding]:
        """Only of a job that follows signals, or did."""
        known = any(c.type == ConditionType.SIGNAL_FRESH for c in self._publisher.current.conditions)
        return [signal_finding(cycle.signals)] if cycle.signals or known else []

    def _until_next(self, session: Session, started: float) -> float:
        """Seconds of real time to the next tick; ticks that passed meanwhile are left out and counted.

        started: real time at which the cycle began.
        """
        clock, interval = session.clock, session.job.interval_s
        real = self._services.clock()
        spread = zlib.crc32(self._ref.uid.encode()) / 2**32 * interval
        # A cycle before its tick (the driver changed, a burst was announced) is off the grid, and does not use it up.
        last = self._tick.number if self._tick and self._tick.due <= clock.job_time(started) else None
        tick = next_tick(origin=clock.origin - spread, interval_s=interval, now=clock.job_time(real), last=last)
        if last is not None:
            self._services.metrics.jobs.sample(self._ref).skipped += tick.number - last - 1
        self._tick = tick
        # Never much longer than an interval: a clock that was set back during the cycle makes its tick seem far off.
        longest = clock.real_time(LONGEST_WAIT * interval) - clock.real_time(0.0)
        return min(max(clock.real_time(tick.due) - real, 0.0), longest)

    def _current_spec(self) -> SparkIoTJobSpec:
        """The spec, parsed again when its generation is another. Raises InvalidSpecError."""
        generation = self._seen_generation()
        if self._spec is None or generation != self._generation:
            self._generation, self._spec = generation, None
            self._spec = parse_spec(self._resource().get("spec") or {})
        return self._spec

    def _session_for(self, spec: SparkIoTJobSpec, real: float) -> Session:
        """The running session with this spec taken over, or another one where that is not possible."""
        session = self._session
        if session is None or not session.accepts(spec):
            self._tick = None
            return self._open(spec, real)
        if session.spec is not spec:
            self._tick = None
            session.edit(str(self._ref), spec, real=real)
        return session

    def _open(self, spec: SparkIoTJobSpec, real: float) -> Session:
        services = self._services
        return open_session(
            str(self._ref),
            spec,
            self._publisher.current,
            policies=services.policies,
            canaries=services.canaries,
            surroundings=Surroundings(
                ref=self._ref,
                default_backend=services.settings.default_backend,
                read_config_map=lambda name: services.api.read_config_map(self._ref.namespace, name),
                objects=services.api,
                drivers=services.drivers,
                runtime_image=services.settings.runtime_image,
                runtime_image_pull_policy=services.settings.runtime_image_pull_policy,
                pod_resize=services.pod_resize,
                peers=services.settings.endpoint_peers,
                confinement=services.settings.confinement,
                token_lifetime_s=services.settings.driver_token_seconds,
            ),
            real=real,
        )

    async def _suspend(self, spec: SparkIoTJobSpec, real: float) -> None:
        """Stop what runs, also what an earlier operator left running; it may take several turns."""
        await self._signals.stop()
        if self._publisher.published.phase is not Phase.SUSPENDED:
            session = self._session = self._session or self._open(spec, real)
            await self._settle(
                self._publisher.current.phase or Phase.PENDING,
                [ready(False, "Stopping", "spec.suspend is true: the job stops at the end of a micro-batch")],
                real,
            )
            await session.stop(session.clock.job_time(real))
        self._session = None
        findings = [
            ready(False, "Suspended", "spec.suspend is true"),
            Finding(
                ConditionType.OBSERVATION_FRESH,
                None,
                ObservationReason.SUSPENDED,
                "nothing runs that could be observed",
            ),
        ]
        await self._settle(Phase.SUSPENDED, findings, real)

    async def _expire(self, spec: SparkIoTJobSpec, real: float) -> float | None:
        """Delete a finished job when its time to live is over; else wait for that, or for an edit."""
        if spec.ttl_seconds_after_finished is None:
            return None
        finished = next(c for c in self._publisher.published.conditions if c.type == "Ready").last_transition_time
        left = parse_timestamp(finished) + spec.ttl_seconds_after_finished - real
        if left > 0:
            return left
        await self._services.api.delete_job(self._ref.namespace, self._ref.name, uid=self._ref.uid)
        return None

    async def _refuse(self, reason: str, message: str, *, retry: bool) -> float | None:
        """The job cannot run as it is: say why, hold everything, and look again when that can have changed."""
        phase = self._publisher.current.phase or Phase.PENDING
        try:
            await self._settle(phase, [ready(False, reason, message)], self._services.clock())
        except ApiError:
            return self._backoff()  # nobody knows yet
        return self._backoff() if retry else None

    async def _report_failure(self, error: Exception) -> float:
        self._services.metrics.jobs.sample(self._ref).errors += 1
        wait = self._backoff()
        message = f"the cycle failed ({error!r}); the allocation is held and the next attempt is in {wait:g} s"
        phase = self._publisher.current.phase or Phase.PENDING
        with contextlib.suppress(ApiError):
            await self._settle(phase, [degraded(DegradedReason.CYCLE_FAILED, message)], self._services.clock())
        return wait

    async def _settle(self, phase: Phase, findings: list[Finding], real: float) -> None:
        """Write a status without new numbers."""
        status = build_status(
            previous=self._publisher.current,
            phase=phase,
            generation=self._generation,
            findings=findings,
            cycle=None,
            now=real,
        )
        self._services.metrics.jobs.sample(self._ref).settle(status)
        await self._publisher.publish(status, now=real)

    async def _patch_status(self, changes: Mapping[str, Any]) -> None:
        writes = self._services.metrics.status_writes
        try:
            await self._patch.send(changes)
        except ApiError:
            writes.labels("failed").inc()
            raise
        writes.labels("ok").inc()

    def _backoff(self) -> float:
        settings = self._services.settings
        wait = settings.error_backoff_seconds * 2.0 ** min(self._failures, 16)
        self._failures += 1
        self._tick = None
        return min(wait, settings.error_backoff_max_seconds)

    def _seen_generation(self) -> int | None:
        generation = self._resource().get("metadata", {}).get("generation")
        return generation if isinstance(generation, int) else None


def _essence_of_pod(status: Mapping[str, Any]) -> tuple[object, ...]:
    """Phase, readiness and what containers wait for."""
    waiting = [
        (c.get("state", {}).get("waiting") or {}).get("reason")
        for c in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    ]
    ready = [c.get("status") for c in status.get("conditions", []) if c.get("type") == "Ready"]
    return status.get("phase"), tuple(ready), tuple(waiting)
