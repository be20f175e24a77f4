"""Many realistic arenas in lockstep: what PPO collects its experience from."""

from collections.abc import Sequence
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_sim.arena import ClusterEnv

from .teacher import Losses, Teacher
from .vec_env import BatchStep, Observations
from .workers import Workers


class ClusterGroup:
    """The arenas of one process, each with its teacher."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._envs = [ClusterEnv() for _ in seeds]
        self._seeds = seeds
        self._teachers: list[Teacher] = []

    def reset(self) -> Observations:
        observations = [env.reset(seed=seed)[0] for env, seed in zip(self._envs, self._seeds, strict=True)]
        self._teachers = [Teacher(env) for env in self._envs]
        return np.stack(observations)

    def step(self, actions: npt.NDArray[np.int64]) -> BatchStep:
        observations, finals, rewards, done = [], [], [], []
        for index, (env, action) in enumerate(zip(self._envs, actions, strict=True)):
            observation, value, _, over, _ = env.step(action)
            finals.append(observation)
            if over:
                observation, _ = env.reset()
                self._teachers[index] = Teacher(env)
            observations.append(observation)
            rewards.append(value)
            done.append(over)
        return BatchStep(np.stack(observations), np.array(rewards), np.array(done), np.stack(finals))

    def losses(self) -> Losses:
        return np.stack([teacher.losses() for teacher in self._teachers])


class ClusterBatch(Workers):
    """See Workers."""

    def __init__(self, seed: int, *, count: int = 64, processes: int = 2) -> None:
        super().__init__(ClusterGroup, seed, count=count, processes=processes)
        self.action_space: gym.Space[Any] = gym.spaces.MultiDiscrete(np.array(ACTION_SIZES))

    def __enter__(self) -> Self:
        return self

    def losses(self) -> Losses:
        """The teacher's losses of each action now, shape (N, 35)."""
        return np.concatenate(self.ask("losses"))
