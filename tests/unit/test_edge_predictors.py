"""Predictors: the same duties for each, and examples by hand."""

import math
import random

import pytest

from sparkiot_edge.predictors import DEFAULT, PREDICTORS, Predictor, Timing
from sparkiot_edge.predictors.base import BURST_RATIO, TRAILING_S
from sparkiot_edge.predictors.crossover import Crossover
from sparkiot_edge.predictors.features import NAMES, FeatureExtractor
from sparkiot_edge.predictors.rolling import Rolling
from sparkiot_edge.predictors.temporal import Numbers, Temporal, shipped_numbers
from sparkiot_sim import signals

SECONDS = Timing(interval_s=1.0, horizon_s=60.0)
TENS = Timing(interval_s=10.0, horizon_s=60.0)
CALM_S = 700


@pytest.fixture(params=sorted(PREDICTORS))
def predictor(request: pytest.FixtureRequest) -> Predictor:
    return PREDICTORS[request.param](SECONDS)


def test_a_burst_is_what_the_simulator_calls_one() -> None:
    assert (BURST_RATIO, TRAILING_S) == (signals.BURST_RATIO, signals.TRAILING_S)


def test_nothing_is_said_before_a_horizon_was_seen(predictor: Predictor) -> None:
    said = [predictor.observe(100.0, now=float(t)) for t in range(CALM_S)]
    first = next(i for i, s in enumerate(said) if s is not None)
    assert first == SECONDS.horizon_s - 1
    assert all(s is not None for s in said[first:])


def test_an_even_load_raises_no_alarm_and_is_predicted_to_stay(predictor: Predictor) -> None:
    rng = random.Random(1)
    for t in range(2 * CALM_S):
        said = predictor.observe(rng.gauss(100, 3), now=float(t))
        if said is not None:
            assert not said.alarm
            assert said.rate == pytest.approx(100, rel=0.25)
            assert said.probability < 0.2


def test_a_rise_to_three_times_the_load_raises_the_alarm_before_it_is_over(predictor: Predictor) -> None:
    for t in range(CALM_S):
        predictor.observe(100.0, now=float(t))
    for second in range(1, 41):
        said = predictor.observe(100 + 5.0 * second, now=float(CALM_S + second))
        if said is not None and said.alarm:
            break
    assert said is not None
    assert said.alarm
    # Load is 1.5 times its mean after 10 s; that means over five seconds know of it up to five seconds later.
    assert second <= 15


def test_no_load_at_all_is_no_burst(predictor: Predictor) -> None:
    said = [predictor.observe(0.0, now=float(t)) for t in range(CALM_S)]
    known = [s for s in said if s is not None]
    assert len(known) == CALM_S - SECONDS.horizon_s + 1
    assert not any(s.alarm or s.rate or s.probability > 0.01 for s in known)


def test_predictions_are_possible_whatever_the_load(predictor: Predictor) -> None:
    rng = random.Random(2)
    for t in range(2 * CALM_S):
        said = predictor.observe(rng.choice([0.0, 1.0, 1e3, 1e6]), now=1.7e9 + t)
        if said is not None:
            assert 0 <= said.probability <= 1
            assert 0 <= said.rate <= 1e9
            assert math.isfinite(said.rate)


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT in PREDICTORS


def test_crossover_by_hand() -> None:
    crossover = Crossover(Timing(interval_s=200.0, horizon_s=200.0), alarm_ratio=1.3)
    assert [crossover.observe(r, now=0.0) for r in (100, 100)] == [None, None]
    said = crossover.observe(160.0, now=0.0)
    # Short: the last one, 160. Long: the mean of three, 120. 160 / 120 = 4/3, two thirds of the way to 1.5.
    assert said is not None
    assert said.rate == 160
    assert said.probability == pytest.approx(2 / 3)
    assert said.alarm


def test_features_by_hand() -> None:
    timing = Timing(interval_s=200.0, horizon_s=200.0)
    extractor = FeatureExtractor(timing)
    assert extractor.observe(100.0, now=0.0) is None
    assert extractor.observe(100.0, now=200.0) is None
    found = extractor.observe(160.0, now=6 * 3600.0)
    assert found is not None
    # Mean 120; the short mean is the last rate: it rose by 60 after a step of 0.
    assert found.velocity == pytest.approx(0.5)
    assert found.acceleration == pytest.approx(0.5)
    assert found.level == pytest.approx(math.log(160 / 120))
    assert found.deviation == pytest.approx(math.sqrt(800) / 120)
    # 160/120 + 0.5 = 1.8333, which is 0.3333 above 1.5: 1.4142 of a deviation of 0.2357.
    assert found.burst_probability == pytest.approx(0.9214, abs=1e-4)
    assert (found.hour_sin, found.hour_cos) == (pytest.approx(1), pytest.approx(0, abs=1e-9))


def test_the_alarm_ends_below_where_it_began() -> None:
    """Only the level weighs: e^w of the odds for each of its units."""
    numbers = Numbers(
        intercept=0.0,
        weights=tuple(10.0 if name == "level" else 0.0 for name in NAMES),
        growth_intercept=0.0,
        growth_weights=(0.0,) * len(NAMES),
        alarm=0.9,
        clear=0.4,
    )
    temporal = Temporal(TENS, numbers=numbers)
    for t in range(60):
        temporal.observe(100.0, now=t)
    alarms = [s.alarm for r in (130, 107, 98, 80, 107) if (s := temporal.observe(r, now=0.0)) is not None]
    assert alarms == [True, True, True, False, False]


def test_of_a_burst_that_just_began_the_newest_second_counts() -> None:
    """Only velocity weighs. One second of 700 after many of 100 makes the mean of five 220: the alarm rises. Five
    seconds later that mean is what counts: the seconds were 300, 700, 700, 600 and 800."""
    numbers = Numbers(
        intercept=0.0,
        weights=tuple(10.0 if name == "velocity" else 0.0 for name in NAMES),
        growth_intercept=0.0,
        growth_weights=(0.0,) * len(NAMES),
        alarm=0.9,
        clear=0.01,
    )
    temporal = Temporal(SECONDS, numbers=numbers)
    for t in range(CALM_S):
        temporal.observe(100.0, now=float(t))
    said = [temporal.observe(r, now=float(CALM_S)) for r in (700.0, 300.0, 700.0, 700.0, 600.0, 800.0)]
    assert all(s is not None and s.alarm for s in said)
    assert [s.rate for s in said if s is not None] == pytest.approx([700, 300, 700, 700, 600, 620])


def test_without_an_alarm_it_is_the_mean_of_five() -> None:
    numbers = Numbers(
        intercept=-9.0, weights=(0.0,) * 7, growth_intercept=0.0, growth_weights=(0.0,) * 7, alarm=0.9, clear=0.4
    )
    temporal = Temporal(SECONDS, numbers=numbers)
    said = [temporal.observe(rate, now=0.0) for rate in [100.0] * 60 + [700.0]]
    assert said[-1] is not None
    assert said[-1].rate == pytest.approx(220)


def test_growth_is_bounded() -> None:
    numbers = Numbers(
        intercept=0.0, weights=(0.0,) * 7, growth_intercept=5.0, growth_weights=(0.0,) * 7, alarm=0.9, clear=0.4
    )
    temporal = Temporal(TENS, numbers=numbers)
    said = [temporal.observe(100.0, now=t) for t in range(60)][-1]
    assert said is not None
    assert said.rate == pytest.approx(200)


def test_numbers_that_ship_are_as_they_were_written() -> None:
    numbers = shipped_numbers()
    assert Numbers.from_json(numbers.to_json()) == numbers
    assert any(numbers.weights)


def test_numbers_without_a_feature_are_refused() -> None:
    with pytest.raises(ValueError, match="one weight is needed"):
        Numbers(intercept=0, weights=(1.0,), growth_intercept=0, growth_weights=(1.0,), alarm=0.9, clear=0.4)


@pytest.mark.parametrize(("interval", "horizon"), [(0.0, 60.0), (-1.0, 60.0), (61.0, 60.0)])
def test_impossible_timings_are_refused(interval: float, horizon: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        Timing(interval_s=interval, horizon_s=horizon)


def test_rolling_forgets() -> None:
    rolling = Rolling(3)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        rolling.add(value)
    assert len(rolling) == 3
    assert rolling.mean == pytest.approx(4)
    assert rolling.deviation == pytest.approx(math.sqrt(2 / 3))


def test_rolling_does_not_keep_for_long_what_a_large_value_rounded_away() -> None:
    rolling = Rolling(3)
    for value in (0.1, 1e18, *[0.1] * 6):
        rolling.add(value)
    assert rolling.mean == pytest.approx(0.1)
    assert rolling.deviation == pytest.approx(0, abs=1e-6)
