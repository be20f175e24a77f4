"""The thesis arena as a Gymnasium environment."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sparkiot_sim  # noqa: F401 - registers the environments

ID = "sparkiot/Thesis-v0"


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("options", [{}, {"scenario": "SmartCityBudget", "show_shuffle": True, "load": "training"}])
def test_gymnasium_accepts_it(options: dict[str, object]) -> None:
    check_env(gym.make(ID, disable_env_checker=True, **options).unwrapped)


def test_its_spaces_are_the_public_contract() -> None:
    env = gym.make(ID)
    assert env.action_space == gym.spaces.MultiDiscrete([20, 8, 4, 3])
    space = env.observation_space
    assert isinstance(space, gym.spaces.Box)
    assert space.dtype == np.float32
    assert space.low.tolist() == [0] * 13
    assert space.high.tolist() == [1000, 1000, 100, 100, 10000, 100, 1, 1, 1, 10000, 1, 1000, 1]


def test_twin_rollouts_are_equal_element_by_element() -> None:
    first, second = gym.make(ID), gym.make(ID)
    first.action_space.seed(1)
    for seed in (11, None):  # the second episode goes on with the same stream
        one, other = first.reset(seed=seed), second.reset(seed=seed)
        assert np.array_equal(one[0], other[0])
        steps = 0
        while True:
            action = first.action_space.sample()
            left, right = first.step(action), second.step(action)
            assert np.array_equal(left[0], right[0])
            assert left[0] in first.observation_space
            assert left[1:] == right[1:]
            steps += 1
            if left[3]:
                break
        assert steps == 500


def test_seeds_differ_and_episodes_differ() -> None:
    env = gym.make(ID)
    starts = [env.reset(seed=1)[0][0], env.reset()[0][0], env.reset(seed=2)[0][0]]
    assert len(set(starts)) == 3
    assert env.reset(seed=1)[0][0] == starts[0]


def test_scenarios_set_the_weights() -> None:
    observed, _ = gym.make(ID, scenario="HealthcareCritical").reset(seed=0)
    assert observed[6:9] == pytest.approx([0.1, 0.8, 0.1])
    with pytest.raises(ValueError, match="Nonsense"):
        gym.make(ID, scenario="Nonsense")
