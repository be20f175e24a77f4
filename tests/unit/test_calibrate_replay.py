"""The replay: the model meets the recorded rows and executors, and its batches are set beside the real ones."""

import dataclasses

import pytest
from support_calibrate import ROW_S, START, duration, measurements, single_batches

from sparkiot_sim.calibrate.outcome import evaluate
from sparkiot_sim.calibrate.records import Arrival, BatchRecord, ExecutorCount, Recording
from sparkiot_sim.calibrate.replay import Comparison, median_error, replay

CALIBRATION = evaluate(measurements()).calibration


def recording(
    arrivals: list[tuple[float, int]], batches: list[tuple[float, float, int]], executors: list[tuple[float, int]]
) -> Recording:
    """Times in seconds after START."""
    return Recording(
        name="by hand",
        fitted=False,
        trigger_interval_s=1.0,
        memory_mib=1024,
        arrivals=tuple(Arrival(time=START + t, rows=r) for t, r in arrivals),
        batches=tuple(BatchRecord(start=START + a, end=START + b, rows=r, executors=1) for a, b, r in batches),
        executors=tuple(ExecutorCount(time=START + t, count=n) for t, n in executors),
    )


def test_a_run_that_is_as_the_model_says_is_predicted_to_the_last_batch() -> None:
    run = single_batches()
    found = replay(run, CALIBRATION, row_s=ROW_S)
    assert [c.measured for c in found] == list(run.batches)
    assert median_error(found) == pytest.approx(0, abs=1e-6)
    assert max(abs(c.error) for c in found) < 1e-6


def test_rows_that_arrive_during_a_batch_make_the_next_one_at_once() -> None:
    """Batch 1 takes 2 + 100 · 0.02 = 4 s from the trigger at 1 s. 50 rows arrive meanwhile and start at 5 s."""
    run = recording([(0.5, 100), (2.0, 30), (3.0, 20)], [(1, 5, 100), (5, 8, 50)], [(-10, 1)])
    found = replay(run, CALIBRATION, row_s=ROW_S)
    assert [c.predicted_s for c in found] == [pytest.approx(4.0), pytest.approx(3.0)]


def test_executors_that_come_while_a_batch_runs_take_their_part_of_it() -> None:
    """400 rows take 10 s on one executor; after 4 s there are two, and the 6 s left shrink by 2 ** 0.8."""
    run = recording([(0.5, 400)], [(1, 9, 400)], [(-10, 1), (5, 2)])
    (found,) = replay(run, CALIBRATION, row_s=ROW_S)
    assert found.predicted_s == pytest.approx(4 + 6 / 2**0.8)


def test_a_batch_is_compared_with_the_one_that_held_its_middle_row() -> None:
    """Spark cut the rows otherwise than the model does: it took the late ones into its first batch."""
    run = recording([(0.5, 100), (1.2, 20)], [(1.5, 6, 120)], [(-10, 1)])
    (found,) = replay(run, CALIBRATION, row_s=ROW_S)
    assert found.predicted_s == pytest.approx(duration(100, 1))
    assert found.error == pytest.approx(4 / 4.5 - 1)


def test_a_recording_without_content_is_refused_and_so_is_a_median_of_nothing() -> None:
    empty = recording([(0, 1)], [], [(0, 1)])
    with pytest.raises(ValueError, match="'by hand' holds no executors, arrivals or batches"):
        replay(empty, CALIBRATION, row_s=ROW_S)
    with pytest.raises(ValueError, match="nothing to compare"):
        median_error([])


def test_errors_are_relative_and_their_sizes_count() -> None:
    base = Comparison(measured=BatchRecord(start=0, end=2, rows=1, executors=1), predicted_s=1.0)
    assert base.error == -0.5
    others = [dataclasses.replace(base, predicted_s=p) for p in (1.0, 2.2, 2.6)]
    assert median_error(others) == pytest.approx(0.3)  # of 0.5, 0.1 and 0.3
