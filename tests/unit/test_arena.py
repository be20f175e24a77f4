"""The realistic arena as an environment: Gymnasium's own checks, twin rollouts, and a reward that means something."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sparkiot_sim  # noqa: F401 - registers the environments
from sparkiot_policies.allocation import Allocation
from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights
from sparkiot_policies.observation import ELEMENTS, names
from sparkiot_sim.arena import ClusterEnv
from sparkiot_sim.generators import Kind
from sparkiot_sim.randomisation import Randomisation
from sparkiot_sim.reward import reward
from sparkiot_sim.setting import standard_setting

BALANCED = SCENARIO_WEIGHTS[Scenario.BALANCED]


def action(allocation: Allocation) -> np.ndarray:
    return np.array(allocation.action)


def test_it_passes_gymnasiums_checks() -> None:
    env = gym.make("sparkiot/Cluster-v0")
    check_env(env.unwrapped, skip_render_check=True)
    assert env.observation_space.shape == (len(ELEMENTS),)


def test_twins_with_one_seed_agree_element_by_element() -> None:
    first, second = ClusterEnv(), ClusterEnv()
    first.action_space.seed(5)
    for episode_seed in (3, None):
        seen, again = first.reset(seed=episode_seed)[0], second.reset(seed=episode_seed)[0]
        np.testing.assert_array_equal(seen, again)
        for _ in range(60):
            chosen = first.action_space.sample()
            one, two = first.step(chosen), second.step(chosen)
            np.testing.assert_array_equal(one[0], two[0], err_msg=str(names(2)))
            assert one[1:] == two[1:]


def test_other_seeds_are_other_episodes() -> None:
    env = ClusterEnv()
    rates = set()
    for seed in range(5):
        env.reset(seed=seed)
        rates.add(env.setting.workload.mean_rate)
    assert len(rates) == 5


def test_an_episode_ends_when_its_setting_says_so_and_plays_the_setting_it_was_given() -> None:
    env = ClusterEnv()
    given = standard_setting(Kind.HEALTHCARE, seed=7, duration_s=600)
    env.reset(options={"setting": given})
    assert env.setting is given
    steps, over = 0, False
    while not over:
        observation, _, terminated, over, _ = env.step(action(given.job.initial))
        assert env.observation_space.contains(observation)
        assert not terminated
        steps += 1
    # The first observation is taken after one interval.
    assert steps == 600 / given.job.interval_s - 1


def test_actions_pass_through_the_safety_envelope() -> None:
    env = ClusterEnv()
    given = standard_setting(Kind.HEALTHCARE, seed=7, duration_s=3600)
    env.reset(options={"setting": given})
    wanted = replace(given.job.initial, executors=20, memory_mib=1024)
    *_, info = env.step(action(wanted))
    in_force = info["allocation"]
    assert in_force.executors == min(4 * 4, 4 + 10)
    assert in_force.memory_mib == given.job.initial.memory_mib


def test_it_must_be_reset_first() -> None:
    with pytest.raises(RuntimeError, match="reset"):
        ClusterEnv().step(np.zeros(4, dtype=np.int64))


def test_randomisation_stays_within_its_bounds_and_plays_the_examples() -> None:
    ranges, rng = Randomisation(), np.random.default_rng(0)
    drawn = [ranges.draw(rng) for _ in range(60)]
    assert {s.preset for s in drawn} == set(ranges.presets)
    assert {s.profile.trigger_interval_s for s in drawn} == set(ranges.trigger_intervals_s)
    assert {s.job.limits.max_executors for s in drawn} == set(ranges.max_executors)
    for setting in drawn:
        weights = setting.job.objectives.weights
        assert weights is not None
        assert 1 <= setting.job.initial.executors <= setting.job.limits.max_executors
        assert setting.job.objectives.latency_target_ms >= 1800 * setting.profile.trigger_interval_s


def measured(latency_ms: float, backlog: float = 0.0) -> Measurement:
    batches = tuple(Batch(float(n), 50.0, 0.3, latency_ms) for n in range(20))
    return Measurement(time=0.0, rate=100.0, backlog=backlog, trigger_interval_s=0.5, batches=batches)


def value(
    latency_ms: float = 900.0, dollars: float = 0.002, backlog: float = 0.0, weights: Weights = BALANCED
) -> float:
    return reward(
        weights=weights,
        measurement=measured(latency_ms, backlog),
        dollars=dollars,
        interval_s=10.0,
        reference=0.72,
        target_ms=1000.0,
    )


def test_reward_by_hand() -> None:
    """$0.002 in 10 s against $0.72/h, which is $0.002 in 10 s; all batches late; 500 of 1000 messages behind."""
    assert value() == pytest.approx(-1.0)
    assert value(latency_ms=1001.0) == pytest.approx(-1.0 - 8.0)
    assert value(backlog=550.0) == pytest.approx(-1.0 - 0.5)


def test_weights_tilt_the_reward_but_silence_nothing() -> None:
    budget = SCENARIO_WEIGHTS[Scenario.SMART_CITY_BUDGET]
    critical = SCENARIO_WEIGHTS[Scenario.HEALTHCARE_CRITICAL]
    late = {weights: value(latency_ms=2000, weights=weights) for weights in (budget, BALANCED, critical)}
    assert late[critical] < late[BALANCED] < late[budget] < -1.15 < value(weights=budget)
    # Who weighs latency more than its share pays for it also below the target.
    assert value(latency_ms=600, weights=critical) > value(latency_ms=900, weights=critical)
    assert value(latency_ms=600, weights=budget) == value(latency_ms=900, weights=budget)
