"""The simulated job: nothing is lost, everything is billed, and looking changes nothing."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_cluster import START, allocation, load

from sparkiot_policies.allocation import Allocation, Tier
from sparkiot_policies.measurement import Batch
from sparkiot_sim.calibration import CalibrationError, calibration_with
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.simulated import SimulatedJob
from sparkiot_sim.workload import Workload

PROFILE = JobProfile()
RATES = (200.0, 320.0, 90.0, 900.0, 250.0)


def simulated(
    given: Allocation | None = None,
    *,
    workload: Workload | None = None,
    profile: JobProfile = PROFILE,
    preset: str = "edge-small",
    seed: int = 1,
    backlog: float = 0.0,
) -> SimulatedJob:
    return SimulatedJob(
        profile=profile,
        workload=workload or load(RATES),
        edge=None,
        allocation=given or allocation(),
        start=START,
        seed=seed,
        preset=preset,
        backlog=backlog,
    )


def run(
    job: SimulatedJob, until_s: float, step_s: float, changes: dict[float, Allocation] | None = None
) -> list[Batch]:
    batches: list[Batch] = []
    steps = round(until_s / step_s)
    for number in range(1, steps + 1):
        job.advance(START + number * step_s)
        batches.extend(job.measure().batches)
        if changes and (change := changes.get(number * step_s)):
            job.apply(change)
    return batches


CHANGES = {60.0: allocation(9), 120.0: allocation(9, memory_mib=1024), 240.0: allocation(2, tier=Tier.COLD)}


@pytest.mark.parametrize("preset", ["edge-small", "cloud-coldstart", "spot"])
def test_looking_more_often_changes_no_batch_and_no_bill(preset: str) -> None:
    often, seldom = simulated(preset=preset), simulated(preset=preset)
    seen_often, seen_seldom = run(often, 600, 1.5, CHANGES), run(seldom, 600, 60, CHANGES)
    assert len(seen_often) > 100
    assert seen_often == seen_seldom
    assert often.cost_dollars == pytest.approx(seldom.cost_dollars, rel=1e-9)


def test_the_same_seed_is_the_same_run_and_another_is_not() -> None:
    first, again, other = (run(simulated(seed=seed), 600, 10, CHANGES) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@settings(max_examples=30, deadline=None)
@given(
    rates=st.lists(st.floats(0, 1500), min_size=1, max_size=6),
    executors=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    memory=st.sampled_from([1024, 2048]),
    backlog=st.floats(0, 1e4),
    preset=st.sampled_from(["edge-small", "spot"]),
    seed=st.integers(0, 9),
)
def test_every_message_is_processed_in_flight_or_waiting(
    *, rates: Sequence[float], executors: Sequence[int], memory: int, backlog: float, preset: str, seed: int
) -> None:
    workload = load(rates)
    job = simulated(workload=workload, backlog=backlog, preset=preset, seed=seed)
    processed, now = 0.0, START
    for number, count in enumerate(executors):
        now += 37.0
        job.advance(now)
        measurement = job.measure()
        processed += sum(b.rows for b in measurement.batches)
        arrived = backlog + workload.arrivals(START, now)
        assert measurement.backlog is not None
        assert processed + job.in_flight + measurement.backlog == pytest.approx(arrived, rel=1e-9, abs=1e-6)
        job.apply(allocation(count, memory_mib=memory if number % 2 else 2048))


def test_a_steady_job_has_the_latency_of_its_trigger_and_batch() -> None:
    profile = JobProfile(shuffle_fraction=0, state_mib=0)
    batches = run(simulated(allocation(4), workload=load([200.0]), profile=profile), 60, 10)
    duration = 0.1 + 200 * 0.5 / 100 / 4**0.95
    assert batches[-1].rows == pytest.approx(100)
    assert batches[-1].duration_s == pytest.approx(duration)
    assert batches[-1].latency_ms == pytest.approx(1000 * (0.5 + duration))


@pytest.mark.parametrize(("after_s", "ends_s"), [(0.55, 0.6 + 10.0), (0.6 + 2.5, 0.6 + 2.5 + 10.0 - 2.5 * 2**0.95)])
def test_executors_that_leave_stretch_what_is_left_of_a_batch_but_not_its_fixed_part(
    after_s: float, ends_s: float
) -> None:
    """1,000 rows at 100/s, from 0.5 s on: 0.1 s that nobody shares, and 10 s of one executor."""
    profile = JobProfile(rate_per_executor=100, shuffle_fraction=0, state_mib=0)
    job = simulated(allocation(2), workload=load([0.0]), profile=profile, backlog=1000)
    job.advance(START + after_s)
    job.apply(allocation(1))
    job.advance(START + 30)
    (batch,) = job.measure().batches
    assert batch.time - START == pytest.approx(ends_s)


def test_a_late_batch_starts_the_next_at_once_and_takes_all_that_waits() -> None:
    batches = run(simulated(allocation(1), workload=load([400.0])), 60, 10)
    for before, batch in pairwise(batches):
        assert batch.time - batch.duration_s == pytest.approx(before.time)
        assert batch.rows == pytest.approx(400 * before.duration_s) or before is batches[0]


def test_more_executors_from_the_start_are_never_slower_and_never_cheaper() -> None:
    runs = [simulated(allocation(n)) for n in (3, 6, 12)]
    worst = [max(b.latency_ms for b in run(job, 600, 10)) for job in runs]
    costs = [job.cost_dollars for job in runs]
    assert worst == sorted(worst, reverse=True)
    assert costs == sorted(costs)


def test_the_bill_of_an_hour_by_hand() -> None:
    profile = JobProfile(shuffle_fraction=0.5, message_bytes=10_000)
    job = simulated(allocation(4, memory_mib=2048), workload=load([100.0]), profile=profile)
    batches = run(job, 3600, 60)
    stored_gib = sum(b.rows for b in batches) * 10_000 * 0.5 * 0.6 / 2**30
    expected = 4 * (0.10 + 0.05 * 2) + stored_gib * 0.05
    assert job.cost_dollars == pytest.approx(expected)


def test_the_cost_rate_is_what_the_bill_grows_by() -> None:
    job = simulated(allocation(4), workload=load([100.0]))
    run(job, 600, 60)
    before = job.cost_dollars
    job.advance(START + 660)
    rate = job.measure().cost_per_hour
    assert rate is not None
    assert job.cost_dollars - before == pytest.approx(rate * 60 / 3600, rel=1e-6)


def test_new_executors_are_billed_before_they_work() -> None:
    job = simulated(allocation(2), preset="cloud-coldstart")
    job.apply(allocation(6))
    job.advance(START + 10)
    measurement = job.measure()
    assert (measurement.running, measurement.pending) == (2, 4)
    assert job.cost_dollars >= 6 * 0.20 * 10 / 3600


def test_other_memory_restarts_from_the_checkpoint() -> None:
    job = simulated(allocation(8), workload=load([200.0]))
    run(job, 60, 10)
    job.apply(allocation(8, memory_mib=4096))
    job.advance(START + 70)
    stopped = job.measure()
    assert stopped.running == 0
    assert stopped.backlog == pytest.approx(200 * 10, rel=0.1)
    restart = calibration_with("edge-small").preset("edge-small").restart_s.value
    job.advance(START + 60 + 3 * restart)
    back = job.measure()
    assert back.running == 8
    assert back.restart_cost_s == pytest.approx(restart, rel=0.8)
    assert back.batches[0].rows == max(b.rows for b in back.batches)
    assert back.batches[0].latency_ms > 1000 * restart / 2


@pytest.mark.parametrize("executors", [1, 4])
def test_too_little_memory_kills_executors_again_and_again_but_work_goes_on(executors: int) -> None:
    profile = JobProfile(state_mib=40)
    job = simulated(allocation(executors, memory_mib=1024), workload=load([200.0]), profile=profile)
    batches = run(job, 300, 10)
    job.advance(START + 310)
    assert sum(b.rows for b in batches) > 0
    assert job.out_of_memory > 0


def test_nothing_is_measured_before_the_first_batch() -> None:
    job = simulated(workload=load([0.0]))
    assert job.measure().rate is None
    job.advance(START + 10)
    measurement = job.measure()
    assert measurement.rate == 0
    assert measurement.batches == ()
    assert measurement.volume_mb is None
    assert measurement.memory is None


def test_time_cannot_go_back_and_a_preset_must_exist() -> None:
    job = simulated()
    job.advance(START + 10)
    with pytest.raises(ValueError, match="cannot go back"):
        job.advance(START + 5)
    with pytest.raises(CalibrationError, match="'moon' is unknown"):
        simulated(preset="moon")


def test_a_batch_takes_no_more_than_its_bound_and_the_rest_keeps_its_age() -> None:
    profile = JobProfile(shuffle_fraction=0, state_mib=0, most_rows=100)
    batches = run(simulated(allocation(8), workload=load([100.0]), profile=profile, backlog=1000), 60, 10)
    assert max(b.rows for b in batches) == 100
    assert [b.rows for b in batches[:10]] == [100] * 10
    # The backlog arrived at the start; half of what a trigger takes is new, so the wait ends after ten seconds.
    ages = [b.latency_ms for b in batches]
    assert ages[0] < ages[5]
    assert ages[-1] < 1000


def test_executors_that_register_shorten_the_batch_that_runs() -> None:
    profile = JobProfile(shuffle_fraction=0, state_mib=0, most_rows=None)
    helped, alone = (simulated(allocation(1), workload=load([1.0]), profile=profile, backlog=12_000) for _ in range(2))
    helped.apply(allocation(10))
    first = {name: run(job, 300, 1)[0] for name, job in (("helped", helped), ("alone", alone))}
    assert first["alone"].duration_s == pytest.approx(0.1 + 120, rel=1e-2)
    assert first["helped"].duration_s < first["alone"].duration_s / 2
    assert first["helped"].rows == first["alone"].rows
