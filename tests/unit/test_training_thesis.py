"""Training on the thesis arena, briefly: it learns, it is reproducible, and it writes a whole artifact."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="the train extra (torch, Stable-Baselines3) is not installed")

from stable_baselines3 import PPO

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.features import Features
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.observation import names
from sparkiot_sim.thesis.actors import LearnedActor
from sparkiot_sim.thesis.draws import seeded
from sparkiot_sim.thesis.model import Outcome
from sparkiot_sim.thesis.tournament import play_run
from sparkiot_sim.training.checkpoint import Checkpoint
from sparkiot_sim.training.thesis import REWARD_SCALE, SETTINGS, ThesisBatch, features, train, training_reward
from sparkiot_sim.training.vec_env import BatchStep, FeatureVecEnv

pytestmark = pytest.mark.train
BRIEF = replace(SETTINGS, total_steps=100_000)
ONE_ROLLOUT = replace(SETTINGS, total_steps=1)


def dollars(folder: Path) -> float:
    """Mean training loss, $ a step, on traces of the arena."""
    run = play_run(LearnedActor(LearnedPolicy(load_artifact(folder))), seeded([1, 2, 3]))
    something = np.ones(run.cost.size)  # at equal weights, throughput is worth nothing
    outcome = Outcome(run.cost.ravel(), run.latency.ravel(), something, something, something)
    return -float(training_reward(outcome, np.full((run.cost.size, 3), 1 / 3)).mean())


def test_training_learns_and_writes_a_whole_artifact(tmp_path: Path) -> None:
    train(tmp_path / "first", ONE_ROLLOUT, work=tmp_path / "work-first", progress=False)
    manifest = train(tmp_path / "brief", BRIEF, work=tmp_path / "work", progress=False)
    assert dollars(tmp_path / "brief") < 0.9 * dollars(tmp_path / "first")
    assert manifest == load_artifact(tmp_path / "brief").manifest
    assert manifest.training["settings"]["total_steps"] == BRIEF.total_steps
    assert set(manifest.scores) == {"arena", "seeds", "scenarios"}
    assert manifest.inputs.used == ("weight_cost", "weight_latency", "weight_throughput", "predicted_rate")


def test_a_seed_is_a_policy(tmp_path: Path) -> None:
    settings = replace(SETTINGS, total_steps=20_000)
    graphs = [
        train(tmp_path / str(i), replace(settings, seed=seed), work=tmp_path / f"work-{i}", progress=False).files[
            "policy.onnx"
        ]
        for i, seed in enumerate((3, 3, 4))
    ]
    assert graphs[0] == graphs[1]
    assert graphs[0] != graphs[2]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, work = replace(SETTINGS, total_steps=80_000), tmp_path / "work"
    save = Checkpoint.save

    def killed(self: Checkpoint, model: PPO, *, stage: str, minutes: float) -> None:
        save(self, model, stage=stage, minutes=minutes)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "artifact", settings, work=work, progress=False)
    reached = json.loads((work / "state.json").read_text())["steps"]
    assert 0 < reached < settings.total_steps
    manifest = train(tmp_path / "artifact", settings, work=work, progress=False)
    assert manifest.training["resumed"] == 1
    assert settings.total_steps <= manifest.training["timesteps"] < settings.total_steps + 10_000
    curve = json.loads((work / "state.json").read_text())["curve"]
    steps = [row["steps"] for row in curve]
    assert all(row["reward"] != 0 for row in curve)  # every step costs dollars: a zero was never measured
    assert steps == sorted(set(steps))
    assert steps[0] < reached < steps[-1]
    assert (work / "curve.png").stat().st_size > 10_000


def test_other_settings_begin_anew(tmp_path: Path) -> None:
    Checkpoint.open(tmp_path / "work", {"seed": 1})
    (tmp_path / "work" / "round-0.npz").touch()
    assert Checkpoint.open(tmp_path / "work", {"seed": 2}).stage == ""
    assert not (tmp_path / "work" / "round-0.npz").exists()


def test_features_are_in_range_and_tell_rates_apart() -> None:
    shown = Features(names(1), features())
    observations = np.zeros((891, 13), dtype=np.float32)
    observations[:, 11] = np.arange(10, 901)
    seen = shown.apply(observations)
    assert np.abs(seen).max() <= 1
    assert len(np.unique(seen, axis=0)) == 891


def rewarded(weights: list[float], *, cost: float = 5.0, latency: float = 1000.0, throughput: float = 100.0) -> float:
    """The training reward of one step, in dollars."""
    nothing = np.zeros(1)
    outcome = Outcome(np.array([cost]), np.array([latency]), np.array([throughput]), nothing, nothing)
    return float(training_reward(outcome, np.array([weights]))[0]) / REWARD_SCALE


BUDGET, EQUAL, CRITICAL = [0.9, 0.05, 0.05], [1 / 3, 1 / 3, 1 / 3], [0.1, 0.8, 0.1]


def test_violations_are_dearer_with_latency_weight_and_never_cheap() -> None:
    prices = [
        rewarded(weights, latency=1000.0) - rewarded(weights, latency=1001.0) for weights in (BUDGET, EQUAL, CRITICAL)
    ]
    assert prices[0] > 0.5, "more than the 50 cents of one more executor"
    assert prices[1] > prices[0]
    # Under weights that price latency too, rewards count in a larger unit: 7 times PROMPT here.
    unit = 1 + 21 / 5
    assert prices[2] * unit > prices[1]


@pytest.mark.parametrize("weights", [BUDGET, EQUAL])
def test_nothing_is_paid_beyond_the_sla_where_cost_weighs_as_much(weights: list[float]) -> None:
    assert rewarded(weights) == pytest.approx(-5.0)
    assert rewarded(weights, latency=100.0, throughput=9000.0) == pytest.approx(-5.0)


def test_latency_has_the_price_at_which_the_arena_exchanges_it_for_dollars() -> None:
    # β/α = 2: PROMPT = 3 $ a second, in units of 1 + 3/5.
    gain = rewarded([0.25, 0.5, 0.25], latency=500.0) - rewarded([0.25, 0.5, 0.25], latency=1000.0)
    assert gain == pytest.approx(3 * 0.5 / 1.6)


def test_throughput_is_worth_its_logarithm_where_it_weighs_more_than_cost() -> None:
    # γ/α = 3: twice STANDBY = 1.5 $, in units of 1 + 3/5.
    gain = rewarded([0.2, 0.2, 0.6], throughput=100.0 * np.e) - rewarded([0.2, 0.2, 0.6], throughput=100.0)
    assert gain == pytest.approx(2 * 1.5 / 1.6)


class Countdown:
    """Two environments whose episodes last one and three steps; an observation is the step's number."""

    num_envs = 2
    action_space = ThesisBatch(0).action_space

    def __init__(self) -> None:
        self._step = np.zeros(2)

    def _observe(self) -> np.ndarray:
        observations = np.zeros((2, 13), dtype=np.float32)
        observations[:, 6] = self._step / 10
        return observations

    def reset(self) -> np.ndarray:
        self._step[:] = 0
        return self._observe()

    def step(self, actions: np.ndarray) -> BatchStep:
        self._step += 1
        final, done = self._observe(), self._step >= (1, 3)
        self._step[done] = 0
        return BatchStep(self._observe(), np.ones(2), done, final)


def test_the_learner_sees_features_and_the_ends_of_episodes() -> None:
    env = FeatureVecEnv(Countdown(), Features(names(1), features()))
    assert env.reset()[:, 0].tolist() == [-1, -1]
    observations, rewards, done, infos = env.step(np.zeros((2, 4), dtype=np.int64))
    assert done.tolist() == [True, False]
    assert rewards.tolist() == [1, 1]
    assert observations[:, 0] == pytest.approx([-1, -0.8])
    assert infos[0]["terminal_observation"][0] == pytest.approx(-0.8)
    assert infos[0]["TimeLimit.truncated"]
    assert infos[1] == {}
    with pytest.raises(NotImplementedError, match="one batch"):
        env.env_method("anything")
