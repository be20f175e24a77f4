"""What every backend promises to the loop, whatever runs the job. One suite over all of them.

A backend joins by an entry in BACKENDS: how to make one, and how to make its successor after the operator was away.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest
from support_objects import NoObjects

from sparkiot_operator.backends import Backend, Desired, Inherited, Surroundings, make_backend
from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.errors import BackendError, BackendFailedError, BackendRefusedError
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.spec import BackendKind, SparkIoTJobSpec
from sparkiot_operator.resource.translate import InvalidSpecError, parse_spec
from sparkiot_policies.allocation import Allocation, Compression, Tier

START = 1_700_000_000.0
SMALL = Allocation(executors=2, memory_mib=2048, tier=Tier.WARM, compression=Compression.LZ4)
LARGE = Allocation(executors=6, memory_mib=2048, tier=Tier.HOT, compression=Compression.NONE)
SETTLED_S = 300.0
"""Job time after which executors that were asked for run, on every backend under test."""


def desired(allocation: Allocation) -> Desired:
    """Each allocation of this suite with a generation of its own."""
    return Desired(allocation, generation=allocation.executors)


async def no_config_map(name: str) -> Mapping[str, str]:
    raise AssertionError(f"nobody asked for ConfigMap {name}")


def simulated(inherited: Inherited | None = None, *, duration: str | None = None) -> Backend:
    simulation = {
        "workload": {"generator": {"kind": "Healthcare", "meanRate": 100}},
        "preset": "edge-small",
        "edge": {},
    }
    spec = parse_spec({"backend": "Simulated", "simulation": simulation | ({"duration": duration} if duration else {})})
    return backend_of(spec, inherited)


def test_the_profile_that_a_spec_names_is_played() -> None:
    """Two jobs under one load that do different things with it are billed differently."""

    async def dollars(profile: str) -> float:
        simulation = {"workload": {"generator": {"kind": "Healthcare"}}, "profile": profile, "preset": "edge-small"}
        backend = backend_of(parse_spec({"backend": "Simulated", "simulation": simulation}))
        await backend.ensure(desired(SMALL), now=START)
        found = (await backend.observe(now=START + SETTLED_S)).measurement.cost_per_hour
        assert found is not None
        return found

    assert asyncio.run(dollars("Industrial")) > asyncio.run(dollars("SmartCity"))


def backend_of(spec: SparkIoTJobSpec, inherited: Inherited | None = None) -> Backend:
    return make_backend(spec, surroundings(), origin=START, inherited=inherited, driver=None)


def surroundings() -> Surroundings:
    return Surroundings(
        ref=JobRef("iot", "city", "uid-1"),
        default_backend=BackendKind.SIMULATED,
        read_config_map=no_config_map,
        objects=NoObjects(),
        drivers=DriverClient(None),
    )


@dataclass(frozen=True)
class Kind:
    name: str
    make: Callable[[Inherited | None], Backend]


BACKENDS = (Kind("simulated", simulated),)


@pytest.fixture(params=BACKENDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


async def running(kind: Kind, allocation: Allocation = SMALL) -> Backend:
    backend = kind.make(None)
    await backend.ensure(desired(allocation), now=START)
    return backend


async def test_a_job_starts_with_the_allocation_it_was_given(kind: Kind) -> None:
    backend = await running(kind)
    seen = (await backend.observe(now=START + SETTLED_S)).measurement
    assert seen.time == START + SETTLED_S
    assert seen.applied == SMALL
    assert (seen.running, seen.pending) == (2, 0)
    assert not backend.state.ended


async def test_ensure_of_a_running_job_changes_nothing(kind: Kind) -> None:
    backend = await running(kind)
    await backend.observe(now=START + SETTLED_S)
    await backend.ensure(desired(LARGE), now=START + SETTLED_S)
    seen = (await backend.observe(now=START + 2 * SETTLED_S)).measurement
    assert seen.applied == SMALL
    assert seen.running == 2


async def test_apply_brings_a_running_job_to_the_allocation_and_is_idempotent(kind: Kind) -> None:
    backend = await running(kind)
    for _ in range(3):
        await backend.apply(desired(LARGE), now=START + 10)
    seen = (await backend.observe(now=START + 10 + SETTLED_S)).measurement
    assert seen.applied == LARGE
    assert (seen.running, seen.pending) == (6, 0)
    await backend.apply(desired(SMALL), now=START + 20 + SETTLED_S)
    assert (await backend.observe(now=START + 20 + 2 * SETTLED_S)).measurement.running == 2


async def test_what_is_observed_is_finite_and_of_the_time_since_the_last_look(kind: Kind) -> None:
    backend = await running(kind)
    await backend.observe(now=START + 60)
    seen = (await backend.observe(now=START + 120)).measurement
    assert seen.rate is not None
    assert seen.rate >= 0
    assert seen.backlog is not None
    assert seen.backlog >= 0
    assert seen.cost_per_hour is not None
    assert seen.cost_per_hour > 0
    assert seen.batches
    assert all(START + 60 < batch.time <= START + 120 for batch in seen.batches)
    assert (await backend.observe(now=START + 120)).measurement.batches == ()


async def test_a_job_that_does_not_run_fails_for_now(kind: Kind) -> None:
    backend = kind.make(None)
    with pytest.raises(BackendFailedError):
        await backend.observe(now=START)
    with pytest.raises(BackendFailedError):
        await backend.apply(desired(LARGE), now=START)
    await backend.stop(now=START)


async def test_a_stopped_job_goes_on_with_its_backlog_and_with_what_arrived_meanwhile(kind: Kind) -> None:
    backend = await running(kind)
    before = (await backend.observe(now=START + SETTLED_S)).measurement
    for _ in range(2):
        await backend.stop(now=START + SETTLED_S)
    with pytest.raises(BackendFailedError):
        await backend.observe(now=START + SETTLED_S + 1)
    await backend.ensure(desired(SMALL), now=START + SETTLED_S + 600)
    after = (await backend.observe(now=START + SETTLED_S + 600)).measurement
    assert before.backlog is not None
    assert after.backlog is not None
    # 100 messages/s on average, for ten minutes: far more than a batch.
    assert after.backlog > before.backlog + 10_000


async def test_a_successor_adopts_a_job_that_ran_on(kind: Kind) -> None:
    ample = replace(SMALL, executors=15)
    first = await running(kind, ample)
    seen = (await first.observe(now=START + SETTLED_S)).measurement
    second = kind.make(Inherited(time=seen.time, backlog=5000.0, running=True))
    await second.ensure(desired(ample), now=START + SETTLED_S + 60)
    adopted = (await second.observe(now=START + SETTLED_S + 60)).measurement
    assert adopted.applied == ample
    assert adopted.time == START + SETTLED_S + 60
    # It worked while nobody looked: the batches of that minute are there, the backlog is not what it was.
    assert adopted.batches
    assert adopted.backlog is not None
    assert adopted.backlog < 5000.0


def test_spark_needs_the_image_of_the_runtime() -> None:
    application = {"image": "spark", "mainApplicationFile": "local:///a.py", "checkpointLocation": "s3a://b/c"}
    with pytest.raises(BackendRefusedError, match="SPARKIOT_RUNTIME_IMAGE") as refused:
        backend_of(parse_spec({"backend": "Spark", "application": application}))
    assert refused.value.reason == "BackendUnavailable"


def test_simulated_without_simulation_names_the_field() -> None:
    application = {"image": "spark", "mainApplicationFile": "local:///a.py", "checkpointLocation": "s3a://b/c"}
    with pytest.raises(InvalidSpecError, match=r"spec\.simulation"):
        backend_of(parse_spec({"application": application}))


async def test_a_simulated_job_with_a_duration_ends_there() -> None:
    backend = simulated(duration="10m")
    await backend.ensure(desired(SMALL), now=START)
    await backend.observe(now=START + 599)
    assert not backend.state.ended
    last = (await backend.observe(now=START + 900)).measurement
    assert backend.state.ended
    assert last.time == START + 600


async def test_an_error_of_a_backend_carries_the_reason_of_its_condition() -> None:
    error: BackendError = BackendRefusedError("TraceInvalid", "ConfigMap load, key trace.csv, line 5: NaN")
    assert (error.reason, str(error)) == ("TraceInvalid", "ConfigMap load, key trace.csv, line 5: NaN")
