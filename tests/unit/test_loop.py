"""The loop of one job in virtual time: order of effects, failures that stay inside, adoption."""

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from support_jobs import measurement
from support_objects import NoObjects

from sparkiot_operator import loop as loop_module
from sparkiot_operator import session as session_module
from sparkiot_operator.audit import AuditLog, AuditRecord, read_audit
from sparkiot_operator.backends import Backend, BackendState, Desired, Observed
from sparkiot_operator.dashboard.samples import Timelines
from sparkiot_operator.driver_client import DriverClient, open_driver_http
from sparkiot_operator.errors import ApiConflictError, ApiUnreachableError, BackendFailedError, BackendRefusedError
from sparkiot_operator.events import JobRef
from sparkiot_operator.loop import JobLoop
from sparkiot_operator.metrics import Metrics
from sparkiot_operator.policies_store import Loaded, PolicyStore
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.resource.status import Phase, TierTroubleStatus
from sparkiot_operator.services import Services
from sparkiot_operator.settings import Settings
from sparkiot_operator.signals.watch import SignalsView
from sparkiot_operator.spark.shuffle_state import ShuffleState
from sparkiot_operator.tier_access import TierTrouble
from sparkiot_operator.times import parse_timestamp
from sparkiot_policies.allocation import Allocation, Tier
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.measurement import EdgeSignal
from sparkiot_policies.policy import Policy

START = 1_700_000_000.0
REF = JobRef("iot", "city", "uid-1")
INTERVAL_S = 10.0


@dataclass
class World(NoObjects):
    """The API server, the backend and the clock of a test; ``log`` is the order in which things happened."""

    spec: dict[str, Any] = field(default_factory=dict)
    now: float = START
    generation: int = 1
    version: int = 7
    status: dict[str, Any] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    api_away: bool = False
    backend_silent: bool = False
    refusal: BackendRefusedError | None = None
    running: int | None = None
    ended: bool = False
    deleted: bool = False
    shuffle: ShuffleState | None = None

    def resource(self) -> dict[str, Any]:
        metadata = {"generation": self.generation, "resourceVersion": str(self.version)}
        return {"metadata": metadata, "spec": self.spec, "status": self.status}

    def edit(self, **changes: Any) -> None:
        self.spec = {**self.spec, **changes}
        self.generation += 1
        self.version += 1

    async def patch_status(self, namespace: str, name: str, patch: Mapping[str, Any], *, version: str) -> str:
        if self.api_away:
            raise ApiUnreachableError("PATCH: no answer")
        if version != str(self.version):
            raise ApiConflictError(f"PATCH: 409 the object is of version {self.version}")
        self.version += 1
        self.status = merge(self.status, patch)
        if "executors" in patch.get("allocation", {}):
            self.log.append(f"written {patch['allocation']['executors']}")
        return str(self.version)

    async def read_job(self, namespace: str, name: str) -> Mapping[str, Any]:
        return self.resource()

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        self.events.append(event["reason"])

    async def read_config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        return {}

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        assert uid == REF.uid
        self.deleted = True

    @property
    def state(self) -> BackendState:
        if self.ended:
            return BackendState(phase=Phase.FAILED, ready=False, reason="ApplicationFailed", message="no such module")
        return BackendState(
            phase=Phase.RUNNING, ready=True, reason="Running", message="the job runs", shuffle=self.shuffle
        )

    async def ensure(self, desired: Desired, *, now: float) -> None:
        if self.refusal:
            raise self.refusal
        if self.running is None:
            self.running = desired.allocation.executors
            self.log.append(f"started with {self.running}")

    async def observe(self, *, now: float) -> Observed:
        if self.backend_silent:
            raise BackendFailedError("Timeout", "the driver did not answer")
        return Observed(replace(measurement(now), running=self.running))

    async def apply(self, desired: Desired, *, now: float) -> None:
        if desired.allocation.executors != self.running:
            self.running = desired.allocation.executors
            self.log.append(f"applied {self.running}")

    async def stop(self, *, now: float) -> None:
        self.running = None
        self.log.append("stopped")

    def condition(self, kind: str) -> tuple[str, str]:
        (found,) = [c for c in self.status["conditions"] if c["type"] == kind]
        return found["status"], found["reason"]


class Wish:
    """A policy that proposes what the test says; an exception is raised."""

    def __init__(self) -> None:
        self.executors = 4
        self.error: Exception | None = None
        self.identity = PolicyIdentity("Wish")

    def needs(self) -> tuple[str, ...]:
        return ()

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        return ()

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        if self.error:
            raise self.error
        return replace(evaluation.history.allocation, executors=self.executors)


class Wishes(PolicyStore):
    """A store whose only policy is a wish."""

    def __init__(self, wish: Wish) -> None:
        super().__init__(folder=None, digests={})
        self._wish = wish

    def policy(self, name: str, digest: str | None) -> Loaded[Policy]:
        return Loaded(self._wish)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    simulation = {"workload": {"generator": {"kind": "Healthcare"}}}
    found = World(spec={"backend": "Simulated", "simulation": simulation, "scaling": {"interval": "10s"}})

    def backend(*_: Any, **__: Any) -> Backend:
        return found

    monkeypatch.setattr(session_module, "make_backend", backend)
    return found


@pytest.fixture
def wish() -> Wish:
    return Wish()


@pytest.fixture
async def services(world: World, wish: Wish, tmp_path: Path) -> AsyncIterator[Services]:
    async with open_driver_http(1.0) as http:
        yield _services(world, wish, tmp_path, DriverClient(http))


def _services(world: World, wish: Wish, tmp_path: Path, drivers: DriverClient) -> Services:
    return Services(
        settings=Settings(all_namespaces=True, error_backoff_seconds=1, error_backoff_max_seconds=8),
        api=world,
        policies=Wishes(wish),
        metrics=Metrics(),
        audit=AuditLog(tmp_path, max_bytes=10**7, files=1),
        clock=lambda: world.now,
        drivers=drivers,
    )


@pytest.fixture
def loop(world: World, services: Services) -> JobLoop:
    return JobLoop(REF, world.resource, services)


async def until(holds: Callable[[], bool]) -> None:
    """Let other tasks run until it holds; a test that never gets there ends at its time-out."""
    while not holds():  # noqa: ASYNC110 - what is awaited has no event
        await asyncio.sleep(0.001)


async def turns(loop: JobLoop, world: World, count: int) -> float | None:
    """So many turns, each when the one before asked for it; what the last one asked for."""
    wait: float | None = 0.0
    for _ in range(count):
        world.now += wait or 0.0
        wait = await loop.turn()
    return wait


async def test_the_desired_allocation_is_written_before_it_is_applied(loop: JobLoop, world: World, wish: Wish) -> None:
    await turns(loop, world, 1)
    wish.executors = 6
    await turns(loop, world, 2)
    assert world.log == ["started with 4", "written 4", "written 6", "applied 6"]
    assert world.events == ["Started", "PolicyLoaded", "ScaledUp"]


async def test_what_a_job_is_and_what_it_did_are_told_apart_once_it_is_suspended(
    loop: JobLoop, world: World, services: Services
) -> None:
    await turns(loop, world, 2)
    text = services.metrics.render().decode()
    assert 'sparkiot_job_condition{condition="Ready",name="city",namespace="iot"} 1.0' in text
    assert "sparkiot_job_executors{" in text
    world.edit(suspend=True)
    await turns(loop, world, 1)
    text = services.metrics.render().decode()
    assert 'sparkiot_job_condition{condition="Ready",name="city",namespace="iot"} 0.0' in text
    assert 'sparkiot_job_phase_info{name="city",namespace="iot",phase="Suspended"} 1.0' in text
    assert "sparkiot_job_executors{" not in text
    assert "sparkiot_job_decisions_total{" in text


async def test_a_jobs_clock_begins_with_its_first_cycle(world: World, services: Services, tmp_path: Path) -> None:
    def ticking() -> float:
        world.now += 0.25  # whatever happens between two looks at the clock
        return world.now

    loop = JobLoop(REF, world.resource, replace(services, clock=ticking))
    await loop.turn()
    (first,) = read_audit([tmp_path])
    assert parse_timestamp(world.status["simulation"]["origin"]) == first.decision.time
    assert first.evaluation.history.since == first.decision.time


async def test_what_cannot_be_written_is_not_applied(loop: JobLoop, world: World, wish: Wish) -> None:
    await turns(loop, world, 1)
    world.api_away, wish.executors = True, 6
    waits = [await turns(loop, world, 1) for _ in range(5)]
    assert waits == [1, 2, 4, 8, 8]
    assert world.running == 4
    world.api_away = False
    await turns(loop, world, 1)
    assert world.running == 6


async def test_measurements_that_cannot_be_written_do_not_stop_the_job(
    loop: JobLoop, world: World, services: Services
) -> None:
    await turns(loop, world, 1)
    world.api_away = True
    await turns(loop, world, 10)
    cycles = sum(services.metrics.jobs.sample(REF).decisions.values())
    assert cycles == 11
    writes = services.metrics.status_writes
    assert writes.labels("ok")._value.get() == 1
    assert writes.labels("failed")._value.get() >= 1


async def test_cycles_keep_to_their_grid_and_missed_ones_are_counted(
    loop: JobLoop, world: World, services: Services
) -> None:
    world.now += await turns(loop, world, 1) or 0.0
    first = world.now
    for number in range(1, 4):
        world.now += 0.3 * number  # whatever the cycle cost
        world.now += await loop.turn() or 0.0
        assert world.now - first == pytest.approx(number * INTERVAL_S, abs=1e-3)
    sample = services.metrics.jobs.sample(REF)
    assert sample.skipped == 0
    world.now += 35.0
    await loop.turn()
    assert sample.skipped == 2


@pytest.mark.parametrize("by", [-7200.0, 7200.0])
async def test_a_clock_that_is_set_holds_no_job(world: World, services: Services, wish: Wish, by: float) -> None:
    set_by = 0.0
    loop = JobLoop(REF, world.resource, replace(services, running=lambda: world.now - set_by))
    wish.executors = 6
    await turns(loop, world, 3)
    assert world.log[-1] == "applied 6"
    known = len(world.events)
    world.now += by
    set_by = by
    wish.executors = 8
    await turns(loop, world, 3)
    assert world.log[-2:] == ["written 8", "applied 8"]
    assert "ScaledUp" in world.events[known:], "the first one was told less than a minute ago"
    assert abs(parse_timestamp(world.status["simulation"]["time"]) - world.now) < 2 * INTERVAL_S
    await turns(loop, world, 3)
    assert world.log[-1] == "applied 8", "it is taken up anew once"


async def test_a_clock_that_is_set_back_within_a_cycle_delays_no_next_one(world: World, services: Services) -> None:
    back = 0.0

    class SetBack(World):
        async def observe(self, *, now: float) -> Observed:
            nonlocal back
            back = 3600.0
            return await World.observe(world, now=now)

    loop = JobLoop(REF, world.resource, replace(services, clock=lambda: world.now - back))
    await turns(loop, world, 2)
    world.observe = SetBack().observe  # type: ignore[method-assign]
    wait = await loop.turn()
    assert back
    assert wait is not None
    assert wait <= 2 * INTERVAL_S


async def test_a_bug_stays_in_its_job_is_reported_and_backs_off(loop: JobLoop, world: World, wish: Wish) -> None:
    await turns(loop, world, 1)
    wish.error = RuntimeError("index out of range")
    waits = [await turns(loop, world, 1) for _ in range(3)]
    assert waits == [1, 2, 4]
    assert world.condition("Degraded") == ("True", "CycleFailed")
    assert "CycleFailed" in world.events
    assert world.running == 4
    wish.error = None
    await turns(loop, world, 1)
    assert world.condition("Degraded") == ("False", "AsExpected")
    assert "Recovered" in world.events


async def test_a_silent_backend_holds_the_allocation_and_turns_stale(loop: JobLoop, world: World, wish: Wish) -> None:
    await turns(loop, world, 2)
    world.backend_silent = True
    await turns(loop, world, 8)
    assert world.condition("ObservationFresh") == ("False", "ObservationStale")
    assert world.condition("Ready") == ("False", "ObservationStale")
    wish.executors = 9
    await turns(loop, world, 3)
    assert world.condition("ScalingLimited") == ("True", "StaleObservation")
    assert world.running == 4
    world.backend_silent = False
    await turns(loop, world, 2)
    assert world.condition("ObservationFresh") == ("True", "Observed")
    assert {"ObservationStale", "ObservationFresh"} <= set(world.events)


async def test_advice_is_published_and_touches_nothing(loop: JobLoop, world: World, wish: Wish) -> None:
    world.edit(scaling={"interval": "10s", "mode": "Advise"})
    wish.executors = 7
    await turns(loop, world, 5)
    assert world.status["recommended"]["executors"] == 7
    assert world.status["allocation"]["executors"] == 4
    assert world.log == ["started with 4", "written 4"]


async def test_a_refused_job_says_why_and_is_tried_again(loop: JobLoop, world: World) -> None:
    world.refusal = BackendRefusedError("TraceNotFound", "ConfigMap load does not exist")
    assert await turns(loop, world, 1) == 1
    assert world.condition("Ready") == ("False", "TraceNotFound")
    assert world.status["phase"] == "Pending"
    world.refusal = None
    await turns(loop, world, 1)
    assert world.status["phase"] == "Running"


async def test_an_invalid_spec_waits_for_the_next_edit(loop: JobLoop, world: World) -> None:
    world.edit(scaling={"interval": "10s", "executors": {"min": "many"}})
    assert await turns(loop, world, 1) is None
    assert world.condition("Ready") == ("False", "InvalidSpec")
    assert world.status["observedGeneration"] == 2
    world.edit(scaling={"interval": "10s"})
    await turns(loop, world, 1)
    assert world.condition("Ready") == ("True", "Running")


async def test_a_refusal_that_could_not_be_written_is_written_later(loop: JobLoop, world: World) -> None:
    world.edit(objectives={"latency": {"target": "soon"}})
    world.api_away = True
    assert await loop.turn() is not None
    world.api_away = False
    world.now += 60
    assert await loop.turn() is None
    assert world.condition("Ready") == ("False", "InvalidSpec")


async def test_suspend_stops_and_resume_starts_with_the_last_allocation(
    loop: JobLoop, world: World, wish: Wish
) -> None:
    wish.executors = 6
    await turns(loop, world, 2)
    world.edit(suspend=True)
    assert await turns(loop, world, 1) is None
    assert (world.status["phase"], world.status["replicas"], world.running) == ("Suspended", 0, None)
    world.edit(suspend=False)
    await turns(loop, world, 1)
    assert world.running == 6
    assert world.log[-2:] == ["stopped", "started with 6"]


async def test_a_new_operator_adopts(loop: JobLoop, world: World, wish: Wish, services: Services) -> None:
    wish.executors = 6
    await turns(loop, world, 3)
    before, said = world.status, list(world.events)
    # Killed: the backend runs on, the status is what the API server has.
    world.now += 120
    successor = JobLoop(REF, world.resource, services)
    await turns(successor, world, 1)
    assert world.status["allocation"] == before["allocation"]
    assert world.status["simulation"]["origin"] == before["simulation"]["origin"]
    assert world.events == said
    assert world.log.count("started with 4") == 1


async def test_a_change_that_was_written_but_not_applied_is_applied_by_the_next_operator(
    loop: JobLoop, world: World, wish: Wish, services: Services
) -> None:
    wish.executors = 6
    await turns(loop, world, 1)
    world.status["allocation"]["executors"] = 9
    wish.executors = 9
    world.running = None
    await turns(JobLoop(REF, world.resource, services), world, 1)
    assert world.running == 9


async def test_an_edit_is_noticed_and_a_status_patch_is_not(world: World, services: Services) -> None:
    loop = JobLoop(REF, world.resource, services)
    running = asyncio.create_task(loop.run())
    cycles = services.metrics.jobs.sample(REF).decisions
    await until(lambda: cycles.total() == 1)
    loop.notify()
    for _ in range(100):  # many more turns of the event loop than a cycle takes
        await asyncio.sleep(0)
    assert cycles.total() == 1
    world.edit(scaling={"interval": "10s", "executors": {"min": 1, "max": 2}})
    loop.notify()
    await until(lambda: world.running == 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert b'name="city"' not in services.metrics.render()


async def test_the_page_remembers_every_decision_and_forgets_a_job_that_goes(
    world: World, services: Services, tmp_path: Path
) -> None:
    timelines = Timelines()
    loop = JobLoop(REF, world.resource, replace(services, timelines=timelines))
    await turns(loop, world, 3)
    found = timelines.find(REF)
    assert found is not None
    assert [s.time for s in found.samples] == [r.decision.time for r in _audited(tmp_path)]
    assert found.rule == "Rate"
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert timelines.find(REF) is None


async def test_a_page_that_fails_costs_no_decision(
    world: World, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug of the page")

    monkeypatch.setattr(Timelines, "record", fail)
    loop = JobLoop(REF, world.resource, replace(services, timelines=Timelines()))
    await turns(loop, world, 2)
    assert len(_audited(tmp_path)) == 2
    assert "CycleFailed" not in str(world.status)


def _audited(folder: Path) -> list[AuditRecord]:
    return list(read_audit([folder]))


async def test_every_decision_is_in_the_audit_log(loop: JobLoop, world: World, tmp_path: Path, wish: Wish) -> None:
    await turns(loop, world, 3)
    wish.executors = 6
    await turns(loop, world, 1)
    records = list(read_audit([tmp_path]))
    assert [r.decision.allocation.executors for r in records] == [4, 4, 4, 6]
    assert {r.ref for r in records} == {REF}


async def test_an_audit_log_that_fails_costs_no_decision_and_is_told_once(
    world: World, services: Services, wish: Wish, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = JobLoop(REF, world.resource, services)

    def full(self: AuditLog, record: AuditRecord) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(AuditLog, "write", full)
        wish.executors = 6
        await turns(loop, world, 3)
    assert world.running == 6
    assert services.metrics.audit_errors._value.get() == 3
    with caplog.at_level(logging.INFO):
        await turns(loop, world, 2)
    told = [record.getMessage() for record in caplog.records if "audit log" in record.getMessage()]
    assert told == [
        "decisions are missing in the audit log, one of iot/city first: [Errno 28] No space left on device",
        "decisions are in the audit log again",
    ]


async def test_stop_ends_the_job_whether_or_not_it_was_run_here(
    loop: JobLoop, world: World, services: Services
) -> None:
    await turns(loop, world, 1)
    await loop.stop()
    assert world.log[-1] == "stopped"
    world.running = 4
    await JobLoop(REF, world.resource, services).stop()
    assert world.running is None


LIVE = {
    "backend": "Spark",
    "application": {"image": "spark", "mainApplicationFile": "local:///main.py", "checkpointLocation": "/checkpoint"},
    "shuffle": {"tiers": {"cold": {"s3": {"bucket": "shuffle"}}}},
}


async def test_a_deleted_jobs_blocks_go_after_its_pods_and_what_is_left_holds_up_nothing(
    loop: JobLoop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def delete_blocks(api: object, spec: SparkIoTJobSpec, namespace: str, uid: str) -> tuple[TierTrouble, ...]:
        assert spec.shuffle.tiers.cold is not None
        world.log.append(f"deleted {namespace}/{uid} of {spec.shuffle.tiers.cold.s3.bucket}")
        return (TierTrouble("Cold", "TierDenied", "s3://shuffle/ refuses the credentials"),)

    monkeypatch.setattr(loop_module, "delete_blocks", delete_blocks)
    await loop.stop()
    assert world.log == ["stopped"], "a simulated job has no blocks"
    world.edit(**LIVE)
    await loop.stop()
    assert world.log[1:] == ["stopped", "deleted iot/uid-1 of shuffle"]
    assert world.events == ["ShuffleBlocksLeft"]


async def test_a_tier_that_fails_is_a_condition_and_an_event_and_the_job_runs_on(loop: JobLoop, world: World) -> None:
    await turns(loop, world, 1)
    assert not [c for c in world.status["conditions"] if c["type"] == "ShuffleTiersReady"], "no tiers, no condition"
    trouble = TierTroubleStatus(tier=Tier.HOT, reason="TierFull", message="no room")
    world.shuffle = ShuffleState(troubles=(trouble,), checked=True)
    await turns(loop, world, 1)
    assert world.condition("ShuffleTiersReady") == ("False", "HotFull")
    assert world.condition("Ready") == ("True", "Running")
    assert world.events.count("ShuffleTierFailed") == 1
    world.shuffle = ShuffleState(checked=True)
    await turns(loop, world, 1)
    assert world.condition("ShuffleTiersReady") == ("True", "TiersWork")
    assert "ShuffleTiersRecovered" in world.events


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386, as an API server does it."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


class Announcements:
    """Stands for a job's subscription: what it heard is what the test says."""

    def __init__(self) -> None:
        self.signal: EdgeSignal | None = None
        self.followed: list[object] = []

    async def follow(self, source: object) -> None:
        self.followed.append(source)

    async def stop(self) -> None:
        self.followed.append(None)

    def edge_signal(self) -> EdgeSignal | None:
        return self.signal

    def view(self) -> SignalsView | None:
        return SignalsView(followed_s=100.0, stale_after_s=30.0, age_s=1.0, time=START, source="g/city", accepted=1)


@pytest.fixture
def announced(world: World, loop: JobLoop, monkeypatch: pytest.MonkeyPatch) -> Announcements:
    """A live job that follows signals."""
    application = {"image": "spark", "sparkVersion": "3.5.9", "mainApplicationFile": "local:///a.py"}
    signal = {"mqtt": {"url": "mqtt://broker", "topic": "iot/metadata/city"}}
    world.spec = {
        "backend": "Spark",
        "application": {**application, "checkpointLocation": "/tmp/c"},
        "edge": {"signal": signal},
        "scaling": {"interval": "10s"},
    }
    found = Announcements()
    monkeypatch.setattr(loop, "_signals", found)
    return found


async def test_what_the_edge_announces_is_in_the_next_observation(
    loop: JobLoop, world: World, services: Services, announced: Announcements, tmp_path: Path
) -> None:
    announced.signal = EdgeSignal(time=START, horizon_s=60, predicted_rate=4321.0, probability=0.9, alarm=True)
    await turns(loop, world, 1)
    (record,) = read_audit([tmp_path])
    seen = record.evaluation.observation
    assert (seen.predicted_rate, seen.burst) == (4321.0, 1.0)
    assert world.condition("SignalFresh") == ("True", "Received")
    assert world.status["signal"]["source"] == "g/city"
    text = services.metrics.render().decode()
    assert 'sparkiot_job_signals_total{name="city",namespace="iot",outcome="Accepted"} 1.0' in text
    assert "sparkiot_job_signal_age_seconds" in text


async def test_a_burst_wakes_the_loop_at_once_and_its_tick_stays(
    loop: JobLoop, world: World, announced: Announcements
) -> None:
    wait = await turns(loop, world, 2)
    assert wait == pytest.approx(INTERVAL_S)
    world.now += 3.0
    assert not loop._wake.is_set()
    loop._bursts.notice()
    assert loop._wake.is_set()
    assert await loop.turn() == pytest.approx(INTERVAL_S - 3.0)
    loop._wake.clear()
    world.now += 0.5
    loop._bursts.notice()
    assert not loop._wake.is_set(), "a second alarm has to wait"
    loop._bursts.stop()


async def test_a_suspended_job_follows_nothing(loop: JobLoop, world: World, announced: Announcements) -> None:
    await turns(loop, world, 1)
    world.edit(suspend=True)
    await loop.turn()
    assert announced.followed[0] is not None
    assert announced.followed[-1] is None
