"""Training's own loads and clusters: seeded, within their bounds, and of the shape that recorded ones have."""

import numpy as np
import pytest

from sparkiot_sim.calibration import calibration_with
from sparkiot_sim.randomisation import Randomisation, perturbed
from sparkiot_sim.series import STEPS_S, series


def test_a_series_is_seeded_scaled_and_steps_by_minutes() -> None:
    one, two = (series(mean_rate=50, duration_s=86400, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.rates, two.rates)
    assert one.mean_rate == pytest.approx(50)
    assert one.step_s in STEPS_S
    assert not np.array_equal(one.rates[:5], series(mean_rate=50, duration_s=86400, seed=4).rates[:5])


def test_series_have_heavy_tails_and_many_characters() -> None:
    drawn = [series(mean_rate=1, duration_s=86400, seed=seed) for seed in range(60)]
    peaks = np.array([load.rates.max() for load in drawn])
    assert peaks.min() < 4
    assert peaks.max() > 10
    with np.errstate(divide="ignore"):
        steps = np.array([np.median(np.abs(np.diff(np.log(load.rates)))) for load in drawn])
    assert steps.min() < 0.1
    assert steps.max() > 0.5


def test_settings_are_seeded() -> None:
    one, two = (Randomisation().draw(np.random.default_rng(5)) for _ in range(2))
    assert (one.job, one.profile, one.calibration, one.start) == (two.job, two.profile, two.calibration, two.start)


def test_batches_cost_from_little_to_nearly_half_of_their_trigger() -> None:
    rng = np.random.default_rng(1)
    drawn = [Randomisation().draw(rng) for _ in range(200)]
    shares = [s.constants.batch.fixed_s.value / s.profile.trigger_interval_s for s in drawn]
    assert 0.01 < min(shares) < 0.08
    assert 0.3 < max(shares) < 0.5
    assert max(s.constants.batch.fixed_s.value for s in drawn) > 1.5
    demands = [s.workload.mean_rate / s.profile.rate_per_executor for s in drawn]
    assert min(demands) < 0.4
    assert max(demands) > 8


def test_another_cluster_keeps_what_does_not_differ() -> None:
    known = calibration_with("spot")
    drawn = perturbed(known, "spot", np.random.default_rng(0), fixed_s=0.3, startup_s=(5.0, 6.0))
    assert drawn.batch.fixed_s.value == 0.3
    assert 5 <= drawn.preset("spot").startup_s.value <= 6
    assert drawn.preset("spot").losses_per_hour == known.preset("spot").losses_per_hour
    assert drawn.compression == known.compression
