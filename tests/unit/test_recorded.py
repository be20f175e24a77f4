"""A recorded job in the simulator: its load and signals as they were, a cluster fitted to it, and how far it is off."""

from dataclasses import replace

import pytest
from support_recorded import JOB, course_of, look, simulated_looks

from sparkiot_policies.job import Limits, Mode
from sparkiot_policies.rules import rule
from sparkiot_sim.recorded.course import SHORTEST, Course
from sparkiot_sim.recorded.edge import recorded_edge
from sparkiot_sim.recorded.fit import FitError, fit
from sparkiot_sim.recorded.play import play, replay

LEAST = SHORTEST


@pytest.fixture(scope="module")
def industrial() -> Course:
    return course_of(simulated_looks(3.0))


def test_a_looks_rate_is_that_of_the_time_before_it() -> None:
    """100 messages/s from 0 to 10, 300 from 10 to 20: the first look's own rate is of a time that nobody saw begin."""
    rates = [7.0, 100.0, 300.0] + [50.0] * LEAST
    (stretch,) = course_of([look(10.0 * n, rate=rate) for n, rate in enumerate(rates)]).stretches()
    load = stretch.workload()
    assert [load.rate_at(time) for time in (0.0, 9.9, 10.0, 19.9, 20.0)] == [100.0, 100.0, 300.0, 300.0, 50.0]
    assert load.arrivals(0.0, 20.0) == 100 * 10 + 300 * 10


def test_a_rate_that_nobody_measured_is_the_last_one_that_was() -> None:
    rates = [None, None, 80.0, None, 20.0] + [20.0] * LEAST
    (stretch,) = course_of([look(10.0 * n, rate=rate) for n, rate in enumerate(rates)]).stretches()
    assert [stretch.workload().rate_at(10.0 * n) for n in range(4)] == [80.0, 80.0, 80.0, 20.0]


def test_a_gap_ends_a_stretch_and_gets_no_load() -> None:
    first = [look(10.0 * n) for n in range(LEAST)]
    late = [look(10_000 + 10.0 * n) for n in range(LEAST)]
    course = course_of([*first, *late])
    assert [(s.start, s.duration_s) for s in course.stretches()] == [(0, 10 * (LEAST - 1)), (10_000, 10 * (LEAST - 1))]
    assert course.span_s == 10_000 + 10 * (LEAST - 1)


def test_a_cycle_that_was_left_out_is_no_gap() -> None:
    times = [10.0 * n for n in range(LEAST + 3) if n not in (4, 5)]
    assert len(course_of([look(time) for time in times]).stretches()) == 1


def test_another_job_description_begins_a_stretch() -> None:
    other = replace(JOB, limits=Limits(max_executors=5))
    looks = [look(10.0 * n, job=JOB if n < LEAST else other) for n in range(2 * LEAST)]
    assert [s.job.limits.max_executors for s in course_of(looks).stretches()] == [20, 5]


def test_what_is_given_twice_counts_once() -> None:
    looks = [look(10.0 * n) for n in range(LEAST)]
    course = course_of([*looks, *looks])
    assert (len(course), course.disordered) == (LEAST, LEAST)


def test_stretches_that_are_short_or_without_a_rate_are_left_out() -> None:
    assert course_of([look(10.0 * n) for n in range(LEAST - 1)]).stretches() == []
    assert course_of([look(10.0 * n, rate=None) for n in range(LEAST)]).stretches() == []


def test_the_edge_says_again_what_was_believed_at_each_look() -> None:
    looks = [
        look(0.0),
        look(10.0, signal_fresh=True, predicted_rate=900.0, burst=1.0, burst_probability=0.8),
        look(20.0, signal_fresh=False, predicted_rate=100.0, burst=0.0),
        *[look(30.0 + 10 * n) for n in range(LEAST)],
    ]
    (stretch,) = course_of(looks).stretches()
    edge = recorded_edge(stretch)
    assert edge is not None
    assert edge.signal_at(-5.0) is None
    assert edge.signal_at(9.9) is None
    signal = edge.signal_at(19.9)
    assert signal is not None
    assert (signal.time, signal.predicted_rate, signal.probability, signal.alarm) == (10.0, 900.0, 0.8, True)
    assert edge.signal_at(20.0) is None, "a stale signal is none"


def test_a_job_without_an_edge_has_none() -> None:
    (stretch,) = course_of([look(10.0 * n) for n in range(LEAST)]).stretches()
    assert recorded_edge(stretch) is None


def test_a_line_is_found_through_batches_that_lie_on_one() -> None:
    """Ten seconds of 5 to 24 messages/s of 1000 bytes: 50 to 240 rows. 0.2 s fixed and 1/50 s a row, which 4 executors
    share as 4^0.95 would; without shuffle the layout costs nothing."""
    shared = 4**0.95
    looks = [
        look(
            10.0 * n,
            rate=rate,
            running=4,
            pending=0,
            trigger_interval=10.0,
            batch_duration=0.2 + 10 * rate / 50 / shared,
            data_volume=10 * rate * 1000 / 1e6,
            shuffle_size=0.0,
            temperature=0.5,
        )
        for n, rate in enumerate([5.0 + n % 20 for n in range(200)])
    ]
    fitted = fit(course_of(looks).stretches())
    assert fitted.profile.message_bytes == pytest.approx(1000)
    assert fitted.calibration.batch.fixed_s.value == pytest.approx(0.2)
    assert fitted.profile.rate_per_executor == pytest.approx(50)
    assert fitted.looks == 200


def test_batches_that_are_all_alike_are_told_apart_by_an_assumption() -> None:
    looks = [
        look(
            10.0 * n, running=4, pending=0, trigger_interval=1.0, batch_duration=0.4, data_volume=0.1, shuffle_size=0.0
        )
        for n in range(60)
    ]
    fitted = fit(course_of(looks).stretches())
    assert fitted.calibration.batch.fixed_s.value == pytest.approx(0.1)
    assert any("too alike" in note for note in fitted.notes)


def test_too_little_to_fit_says_what_is_missing() -> None:
    with pytest.raises(FitError, match="0 looks have rate, batch duration and running executors"):
        fit(course_of([look(10.0 * n) for n in range(LEAST)]).stretches())
    with pytest.raises(FitError, match="0 looks"):
        fit([])


def test_a_simulated_jobs_constants_are_found_again(industrial: Course) -> None:
    """The industrial example on edge-small: 120 messages/s an executor, 0.1 s fixed, 20 kB, half of it shuffled."""
    fitted = fit(industrial.stretches(), base="cloud-coldstart")
    assert fitted.profile.rate_per_executor == pytest.approx(120, rel=0.05)
    assert fitted.calibration.batch.fixed_s.value == pytest.approx(0.1, rel=0.1)
    assert fitted.profile.message_bytes == pytest.approx(20_000, rel=0.01)
    assert fitted.profile.shuffle_fraction == pytest.approx(0.5, rel=0.01)
    assert fitted.calibration.preset("cloud-coldstart").startup_s.value == pytest.approx(8, rel=0.4)


def test_the_recorded_run_comes_out_again(industrial: Course) -> None:
    stretches = industrial.stretches()
    outcome, reality = replay(stretches, fit(stretches))
    assert reality.looks == len(industrial) - 1
    assert reality.in_time == pytest.approx(reality.modelled_in_time, abs=0.01)
    assert reality.cost_dollars == pytest.approx(reality.modelled_cost_dollars, rel=0.02)
    assert reality.duration_error == pytest.approx(0, abs=0.05)
    assert outcome.cost_dollars == reality.modelled_cost_dollars
    assert outcome.hours == pytest.approx(3.0, abs=0.01)


def test_a_model_that_is_wrong_is_seen_to_be(industrial: Course) -> None:
    """Executors of half the speed: batches take longer than they did, and the check says so."""
    stretches = industrial.stretches()
    fitted = fit(stretches)
    slow = replace(fitted, profile=replace(fitted.profile, rate_per_executor=fitted.profile.rate_per_executor / 2))
    _, reality = replay(stretches, slow)
    assert (reality.duration_error or 0.0) > 0.3
    assert (reality.modelled_in_time or 0.0) < (reality.in_time or 0.0) - 0.2


def test_policies_meet_the_same_load_and_more_executors_cost_more(industrial: Course) -> None:
    stretches = industrial.stretches()
    fitted = fit(stretches)
    told: list[int] = []
    few, many = (
        play(stretches, fitted, rule(f"Fixed:executors={n}"), fallback=rule("Rate"), meta=None, report=told.append)
        for n in (5, 15)
    )
    assert many.attainment > few.attainment
    assert many.cost_dollars > few.cost_dollars
    assert many.hours == few.hours == pytest.approx(3.0, abs=0.01)
    assert sum(told) == 2 * (len(industrial) - 1), "each look of each run is reported once"
    again = play(stretches, fitted, rule("Fixed:executors=5"), fallback=rule("Rate"), meta=None)
    assert again == few, "the same seed, load and policy give the same outcome"


def test_a_job_that_only_advised_is_played_as_if_it_acted() -> None:
    looks = [(replace(job, mode=Mode.ADVISE), seen, decided) for job, seen, decided in simulated_looks(0.5)]
    stretches = course_of(looks).stretches()
    outcome = play(stretches, fit(stretches), rule("Fixed:executors=9"), fallback=rule("Rate"), meta=None)
    assert outcome.scalings >= 1
