"""What every backend promises to the loop, whatever runs the job. One suite over all of them.

A backend joins by a bench in `support_backends`: a clock, a job, two allocations, and ways to let time pass.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
from support_backends import (
    START,
    Bench,
    Generations,
    SimulatedBench,
    SparkJob,
    spark_bench,
    spark_job,
    surroundings,
    until,
)

from sparkiot_operator.backends import Backend, Inherited, make_backend
from sparkiot_operator.errors import BackendError, BackendFailedError, BackendRefusedError
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.resource.status import Phase
from sparkiot_operator.resource.translate import InvalidSpecError, parse_spec
from sparkiot_policies.allocation import Allocation
from sparkiot_policies.measurement import Measurement

pytestmark = pytest.mark.timeout(900)
KINDS = ("simulated", "spark")


@pytest.fixture(scope="module")
def live_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkJob]:
    with spark_job(tmp_path_factory.mktemp("spark")) as found:
        yield found


@pytest.fixture(scope="module")
def generations() -> Generations:
    return Generations()


@pytest.fixture(params=KINDS)
async def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    if request.param == "simulated":
        yield SimulatedBench()
        return
    job: SparkJob = request.getfixturevalue("live_job")
    monkeypatch.setenv("KUBECONFIG", str(job.node.kubeconfig))
    async with spark_bench(job) as found:
        yield found


def has(allocation: Allocation) -> Callable[[Measurement], bool]:
    return lambda m: (m.running, m.pending, m.applied) == (allocation.executors, 0, allocation)


def driver_of(backend: Backend) -> tuple[str | None, int] | None:
    """Which driver pod runs and how many came before it; None for a backend without drivers."""
    driver = backend.state.driver
    return None if driver is None else (driver.pod_uid, driver.restarts)


async def running(bench: Bench, generations: Generations) -> Backend:
    """A backend of the running job, brought to the small allocation."""
    backend, wanted = bench.make(), generations.desired(bench.small)
    await until(bench, backend, wanted, lambda m: m.running is not None)
    await backend.apply(wanted, now=bench.now())
    await until(bench, backend, wanted, has(bench.small))
    return backend


async def test_a_job_starts_with_the_allocation_it_was_given(bench: Bench, generations: Generations) -> None:
    backend = bench.make()
    assert (backend.state.ready, backend.state.phase) == (False, Phase.PENDING)
    before, wanted = bench.now(), generations.desired(bench.small)
    seen = await until(bench, backend, wanted, has(bench.small))
    assert before <= seen.time <= bench.now()
    assert (backend.state.ready, backend.state.phase) == (True, Phase.RUNNING)


async def test_ensure_of_a_running_job_changes_nothing(bench: Bench, generations: Generations) -> None:
    backend = await running(bench, generations)
    other = generations.desired(bench.large)
    for _ in range(3):
        await backend.ensure(other, now=bench.now())
        await bench.a_while()
        assert has(bench.small)((await backend.observe(now=bench.now())).measurement)


async def test_apply_brings_a_running_job_there_and_back_and_is_idempotent(
    bench: Bench, generations: Generations
) -> None:
    backend = await running(bench, generations)
    for allocation in (bench.large, bench.small):
        wanted = generations.desired(allocation)
        for _ in range(3):
            await backend.apply(wanted, now=bench.now())
        await until(bench, backend, wanted, has(allocation))


async def test_what_is_observed_is_finite_and_each_batch_is_seen_once(bench: Bench, generations: Generations) -> None:
    backend, looks = await running(bench, generations), []

    def enough(seen: Measurement) -> bool:
        looks.append(seen)
        return len([look for look in looks if look.batches]) >= 3 and None not in (seen.rate, seen.backlog)

    seen = await until(bench, backend, generations.desired(bench.small), enough)
    assert seen.rate is not None
    assert seen.rate >= 0
    assert seen.backlog is not None
    assert seen.backlog >= 0
    assert seen.cost_per_hour is not None
    assert seen.cost_per_hour > 0
    times = [batch.time for look in looks for batch in look.batches]
    assert times == sorted(set(times))
    assert times[-1] <= bench.now()
    assert all(batch.rows > 0 and batch.duration_s > 0 for look in looks for batch in look.batches)


async def test_a_job_that_does_not_run_fails_for_now(bench: Bench, generations: Generations) -> None:
    backend = bench.make(job="nobody-started-it")
    with pytest.raises(BackendFailedError):
        await backend.observe(now=bench.now())
    with pytest.raises(BackendFailedError):
        await backend.apply(generations.desired(bench.large), now=bench.now())
    await backend.stop(now=bench.now())


async def test_a_successor_adopts_a_job_that_ran_on(bench: Bench, generations: Generations) -> None:
    first = await running(bench, generations)
    seen = (await first.observe(now=bench.now())).measurement
    await bench.a_while()
    second = bench.successor(first, seen)
    wanted = generations.desired(bench.small)
    adopted = await until(bench, second, wanted, lambda m: m.batches and m.time > seen.time)
    assert adopted.applied == bench.small
    assert driver_of(second) == driver_of(first)


async def test_a_stopped_job_goes_on_with_what_arrived_meanwhile(bench: Bench, generations: Generations) -> None:
    backend = await running(bench, generations)
    for _ in range(2):
        await backend.stop(now=bench.now())
    with pytest.raises(BackendFailedError):
        await backend.observe(now=bench.now())
    arrived, done = await bench.away(), 0.0

    def all_there(seen: Measurement) -> bool:
        nonlocal done
        done += sum(batch.rows for batch in seen.batches)
        return seen.backlog is not None and done + seen.backlog >= arrived

    await until(bench, backend, generations.desired(bench.small), all_there)


async def test_a_live_job_that_was_rescaled_adopted_and_stopped_holds_each_row_once(live_job: SparkJob) -> None:
    landed = live_job.feeder.stop()
    live_job.node.until("every row in the sink", lambda: len(live_job.sink()) >= landed)
    assert live_job.sink() == list(range(landed))


async def test_a_simulated_job_works_while_no_operator_looks() -> None:
    bench, generations = SimulatedBench(), Generations()
    ample = generations.desired(replace(bench.small, executors=15))
    second = bench.make(inherited=Inherited(time=START, backlog=5000.0, running=True))
    await second.ensure(ample, now=START + 60)
    adopted = (await second.observe(now=START + 60)).measurement
    assert (adopted.time, adopted.applied) == (START + 60, ample.allocation)
    assert adopted.batches
    assert adopted.backlog is not None
    assert adopted.backlog < 5000.0


def test_the_profile_that_a_spec_names_is_played() -> None:
    """Two jobs under one load that do different things with it are billed differently."""

    async def dollars(profile: str) -> float:
        simulation = {"workload": {"generator": {"kind": "Healthcare"}}, "profile": profile, "preset": "edge-small"}
        backend = backend_of(parse_spec({"backend": "Simulated", "simulation": simulation}))
        await backend.ensure(Generations().desired(SimulatedBench.small), now=START)
        found = (await backend.observe(now=START + 300)).measurement.cost_per_hour
        assert found is not None
        return found

    assert asyncio.run(dollars("Industrial")) > asyncio.run(dollars("SmartCity"))


def backend_of(spec: SparkIoTJobSpec) -> Backend:
    return make_backend(spec, surroundings(JobRef("iot", "city", "uid-1")), origin=START, inherited=None, driver=None)


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
    simulation = {"workload": {"generator": {"kind": "Healthcare"}}, "duration": "10m"}
    backend = backend_of(parse_spec({"backend": "Simulated", "simulation": simulation}))
    await backend.ensure(Generations().desired(SimulatedBench.small), now=START)
    await backend.observe(now=START + 599)
    assert not backend.state.ended
    last = (await backend.observe(now=START + 900)).measurement
    assert backend.state.ended
    assert last.time == START + 600


async def test_an_error_of_a_backend_carries_the_reason_of_its_condition() -> None:
    error: BackendError = BackendRefusedError("TraceInvalid", "ConfigMap load, key trace.csv, line 5: NaN")
    assert (error.reason, str(error)) == ("TraceInvalid", "ConfigMap load, key trace.csv, line 5: NaN")
