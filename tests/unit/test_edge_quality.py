"""Scores by hand, the fit, and the whole evaluation on a small load."""

from pathlib import Path

import numpy as np
import pytest

from sparkiot_edge.predictors.base import Timing
from sparkiot_operator.edge_quality import fit
from sparkiot_operator.edge_quality.evaluation import evaluate, timing_for
from sparkiot_operator.edge_quality.picture import draw
from sparkiot_operator.edge_quality.runs import Run, measure, merged_bursts, overlaps, peaks
from sparkiot_operator.edge_quality.scoring import alarm_times, burst_leads, score
from sparkiot_sim.signals import Burst
from sparkiot_sim.workload import Workload

TIMING = Timing(interval_s=10.0, horizon_s=30.0)
TIMES = np.arange(0.0, 400.0, 10.0)


def made(*, alarms: list[tuple[float, float]], bursts: list[tuple[float, float]], probability: float = 0.5) -> Run:
    found = tuple(Burst(*b) for b in bursts)
    alarm = np.zeros(TIMES.shape, dtype=bool)
    for begin, end in alarms:
        alarm |= (begin <= TIMES) & (end >= TIMES)
    level = np.full(TIMES.shape, 100.0)
    return Run(
        timing=TIMING,
        times=TIMES,
        measured=level,
        expected=1.1 * level,
        probability=np.full(TIMES.shape, probability),
        alarm=alarm,
        peak=2 * level,
        true=overlaps(found, TIMES, TIMING.horizon_s),
        bursts=found,
    )


def test_leads_and_precision_by_hand() -> None:
    run = made(alarms=[(80, 120), (220, 230), (310, 330)], bursts=[(100, 150), (210, 250)])
    assert alarm_times(run) == [(80, 120), (220, 230), (310, 330)]
    assert burst_leads(run) == [20, -10]
    found = score([run])
    assert (found.bursts, found.alarms) == (2, 3)
    assert (found.announced, found.caught, found.lead_s) == (0.5, 1.0, 5.0)
    assert found.precision == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))


def test_a_missed_burst_is_neither_announced_nor_caught() -> None:
    found = score([made(alarms=[(300, 320)], bursts=[(100, 150)])])
    assert (found.announced, found.caught, found.lead_s, found.precision, found.f1) == (0, 0, None, 0, 0)


def test_an_alarm_far_ahead_that_stands_counts_as_a_horizon() -> None:
    assert burst_leads(made(alarms=[(10, 200)], bursts=[(150, 200)])) == [30]


def test_alarms_within_a_horizon_are_one() -> None:
    assert alarm_times(made(alarms=[(50, 60), (80, 90), (200, 210)], bursts=[])) == [(50, 90), (200, 210)]


def test_calibration_and_errors_by_hand() -> None:
    # Load is in a burst within 30 s at 70, 80, …, 140: 8 of 40 times.
    found = score([made(alarms=[], bursts=[(100, 150)])])
    assert found.brier == pytest.approx(0.25)
    assert found.brier_base == pytest.approx(0.2 * 0.8)
    assert found.calibration == pytest.approx(0.3)
    assert found.rate_error == pytest.approx(0.45)
    assert found.rate_error_base == pytest.approx(0.5)
    assert found.precision is None


def test_peaks_look_ahead_and_only_so_far() -> None:
    rates = np.where(np.arange(40) == 20, 500.0, 100.0)
    load = Workload(name="one", times=TIMES, rates=rates, end=400.0)
    found = dict(zip(TIMES.tolist(), peaks(load, TIMES, TIMING).tolist(), strict=True))
    assert [found[t] for t in (160.0, 170.0, 180.0, 190.0, 200.0, 210.0)] == [100, 100, 500, 500, 500, 100]


def test_counts_scatter_around_the_load() -> None:
    load = Workload(name="even", times=np.array([0.0]), rates=np.array([100.0]), end=2000.0)
    times, rates = measure(load, TIMING, seed=1)
    assert times[[0, -1]].tolist() == [10, 2000]
    assert rates.mean() == pytest.approx(100, rel=0.02)
    assert rates.std() == pytest.approx(np.sqrt(1000) / 10, rel=0.3)


def test_logistic_regression_finds_what_made_the_data() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 2)) * (1.0, 10.0)
    y = rng.random(20_000) < 1 / (1 + np.exp(-(-1 + 2 * x[:, 0] - 0.1 * x[:, 1])))
    intercept, weights = fit.logistic(x, y.astype(float))
    assert intercept == pytest.approx(-1, abs=0.1)
    assert weights == pytest.approx([2, -0.1], rel=0.1)


def rising() -> Workload:
    """An hour at 100 messages/s that rises to 300 within 40 s from 1,800 s on, until 2,400 s."""
    times = np.arange(0.0, 3600.0, 10.0)
    height = np.clip((times - 1790) / 40, 0, 1) * (times < 2400)
    return Workload(name="rising", times=times, rates=100 + 200 * height, end=3600.0)


def test_every_predictor_is_evaluated_on_a_load_and_drawn(tmp_path: Path) -> None:
    load = rising()
    assert merged_bursts(load, 60.0) == (Burst(1810.0, 2400.0),)
    timing = Timing(interval_s=5.0, horizon_s=60.0)
    found = evaluate([load], timing, predictors=["Temporal", "Crossover"])
    assert [each.predictor for each in found] == ["Temporal", "Crossover"]
    for each in found:
        assert each.scores.caught == 1
        assert each.scores.brier < each.scores.brier_base
    draw(found, tmp_path / "edge.png", title="a test")
    assert (tmp_path / "edge.png").stat().st_size > 10_000


def test_a_series_in_long_steps_is_judged_by_its_steps() -> None:
    load = Workload(name="s", times=np.arange(0, 3000.0, 300.0), rates=np.full(10, 1.0), end=3000.0)
    assert timing_for(load, interval_s=1, horizon_s=60) == Timing(interval_s=300, horizon_s=300)
    fine = Workload(name="s", times=np.arange(0, 300.0, 10.0), rates=np.full(30, 1.0), end=300.0)
    assert timing_for(fine, interval_s=1, horizon_s=60) == Timing(interval_s=1, horizon_s=60)
