"""Whether an observation is one that a policy was trained on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from support_policies import observed, policy_artifact

from sparkiot_policies.artifact import load_artifact, update_familiarity
from sparkiot_policies.familiarity import MARGIN, Expectation, Familiarity, fit
from sparkiot_policies.features import Feature
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.library import FOLDER, load
from sparkiot_policies.manifest import Range
from sparkiot_policies.observation import Observation
from sparkiot_sim.training.familiar import familiarise, features_met, settings

FEATURES = (Feature(element="cpu", scale=0.02, offset=-1.0), Feature(element="latency", scale=0.002, offset=-1.0))
"""0 to 100 % and 0 to 1000 ms, to -1 to 1."""


def known(size: int = 2, **changes: object) -> Familiarity:
    """Features that are all expected to be 0, whatever the others are, give or take 3."""
    triangle = tuple(float(row == column) for row in range(size) for column in range(row + 1))
    fields = {"mean": (0.0,) * size, "precision": triangle, "low": (-3.0,) * size, "high": (3.0,) * size}
    return Familiarity.model_validate({**fields, "tail": 1e-4, "samples": 10, "seed": 0, **changes})


def hand_in_hand(samples: int, seed: int) -> np.ndarray:
    """Processor use and latency that rise together."""
    rng = np.random.default_rng(seed)
    load = rng.uniform(-1, 1, samples)
    return np.stack([load, load], axis=1) + rng.normal(scale=0.02, size=(samples, 2))


def test_residuals_computed_by_hand() -> None:
    plain = Expectation(known(mean=(1.0, 0.0), high=(3.0, 2.0)))
    assert plain.residuals([[4.0, 2.0], [1.0, 0.0]]).tolist() == [[3.0, 2.0], [0.0, 0.0]]
    assert plain.strange([[4.0, 2.0], [4.1, 2.1], [-2.1, 0.0]]).tolist() == [
        [False, False],
        [True, True],
        [True, False],
    ]
    # precision [[2, -1], [-1, 4]]: the first is expected at half of the second, the second at a quarter of the first
    related = Expectation(known(precision=(2.0, -1.0, 4.0)))
    assert related.residuals([1.0, 2.0]).tolist() == [0.0, 1.75]


def test_the_residual_is_what_regression_on_the_others_leaves() -> None:
    """Against least squares; the ridge counts for little beside data of unit variance."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50_000, 3)) @ np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 4.0]])
    found = Expectation(fit(x, tail=0.01, seed=3)).residuals(x)
    for column in range(3):
        others = np.column_stack([np.delete(x, column, axis=1), np.ones(len(x))])
        left = x[:, column] - others @ np.linalg.lstsq(others, x[:, column], rcond=None)[0]
        assert np.abs(found[:, column] - left).max() < 0.1


def test_bounds_leave_half_as_much_again_beyond_the_quantiles() -> None:
    x = hand_in_hand(20_000, 1)
    found = fit(x, tail=1e-3, seed=1)
    residuals = Expectation(found).residuals(x)
    for column in range(2):
        beyond = residuals[:, column] > found.high[column] / MARGIN
        assert beyond.sum() == pytest.approx(20, abs=1)
    assert Expectation(found).strange(hand_in_hand(20_000, 2)).mean() < 1e-3
    assert (found.samples, found.seed, found.tail) == (20_000, 1, 1e-3)


def test_too_few_samples_cannot_tell_a_small_share() -> None:
    with pytest.raises(ValueError, match=r"20000 samples cannot tell a share of 0\.0001; 100000 can"):
        fit(hand_in_hand(20_000, 1), tail=1e-4, seed=1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": (1.0, 0.0)}, "precision has 2 numbers; the triangle of 2 features has 3"),
        ({"low": (-1.0,)}, "1 low and 2 high bounds for 2 features"),
        ({"mean": (0.0, float("nan"))}, "finite number"),
    ],
)
def test_a_statistic_that_does_not_fit_itself_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        known(**wrong)


def test_elements_within_their_ranges_may_not_go_together(tmp_path: Path) -> None:
    """A busy job that is quick, which no range tells."""
    policy_artifact(tmp_path, features=FEATURES, ranges={"cpu": Range(low=0, high=100)})
    before = load_artifact(tmp_path).manifest
    manifest = update_familiarity(tmp_path, fit(hand_in_hand(20_000, 1), tail=1e-3, seed=1))
    assert manifest.digest != before.digest
    assert manifest.files == before.files
    policy = LearnedPolicy(load_artifact(tmp_path))

    def unfamiliar(**values: float | None) -> tuple[str, ...]:
        return policy.unfamiliar(observed(Observation(**values)))

    assert unfamiliar(cpu=10.0, latency=100.0) == unfamiliar(cpu=90.0, latency=900.0) == ()
    both = ("cpu for what the others are", "latency for what the others are")
    assert unfamiliar(cpu=90.0, latency=100.0) == both
    assert unfamiliar(cpu=111.0, latency=1110.0) == ("cpu",), "an element by itself is named by itself"
    assert unfamiliar(cpu=None, latency=100.0) == (), "without it nobody decides"


def test_a_statistic_of_other_features_is_refused(tmp_path: Path) -> None:
    policy_artifact(tmp_path, features=FEATURES)
    with pytest.raises(ValueError, match="familiarity is of 1 features, not of 2"):
        update_familiarity(tmp_path, known(1))


def test_it_is_measured_on_episodes_as_in_training_and_alike_each_time(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        shutil.copytree(FOLDER / "default", tmp_path / name)
        found.append(familiarise(tmp_path / name, episodes=4, seed=7, tail=0.05).familiarity)
    assert found[0] is not None
    assert found[0] == found[1]
    assert (found[0].seed, found[0].tail) == (7, 0.05)
    policy = LearnedPolicy(load("default"))
    assert found[0].samples == sum(len(features_met(policy, setting)) for setting in settings(4, 7))


def test_the_shipped_policy_knows_what_it_was_trained_on() -> None:
    artifact = load("default")
    assert artifact.manifest.familiarity is not None
    policy, setting = LearnedPolicy(artifact), next(settings(1, 8))
    met = features_met(policy, setting)
    expectation = Expectation(artifact.manifest.familiarity)
    assert not expectation.strange(met).any()
    # Five times the executors that are there are counted, all else as it was.
    wrong = met + np.where([f.element == "running" for f in artifact.manifest.features], np.log(5.0), 0.0)
    assert expectation.strange(wrong).any(axis=1).mean() > 0.8
