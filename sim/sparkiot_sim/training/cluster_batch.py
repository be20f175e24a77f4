"""Many realistic arenas in lockstep: what PPO collects its experience from."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.objectives import Weights
from sparkiot_policies.options import ExecutorOptions
from sparkiot_sim.arena import ClusterEnv
from sparkiot_sim.randomisation import Episodes

from .teacher import Losses, Teacher
from .vec_env import BatchStep, Observations
from .workers import Workers

REWARD_SCALE = 0.1
"""What the learner is told of a reward of 1: returns of ordinary size, so that the critic does not drown the actor."""


STEADY = 0.15
"""Price of another choice than the usual one, in bills of an interval: who flutters between choices that are nearly
equal gets the highest of them, as stabilisation keeps it."""


class ClusterGroup:
    """The arenas of one process, each with its teacher. Actions choose executors among the options. episodes: see
    ClusterBatch."""

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        options: ExecutorOptions,
        usual: Callable[[Weights], int],
        episodes: Episodes | None = None,
    ) -> None:
        self._options = options
        self._usual = usual
        self._envs = [ClusterEnv(randomisation=episodes) for _ in seeds]
        self._seeds: list[int | None] = list(seeds)
        self._teachers: list[Teacher] = []

    def reset(self) -> Observations:
        """Begin new episodes; those that follow from the seeds the first time, others from then on."""
        observations = [env.reset(seed=seed)[0] for env, seed in zip(self._envs, self._seeds, strict=True)]
        self._seeds = [None] * len(self._envs)
        self._teachers = [Teacher(env) for env in self._envs]
        self._seen = np.stack(observations)
        return self._seen

    def step(self, actions: npt.NDArray[np.int64]) -> BatchStep:
        observations, finals, rewards, done = [], [], [], []
        actions = self._options.apply(self._seen, actions)
        for index, (env, action) in enumerate(zip(self._envs, actions, strict=True)):
            observation, value, _, over, _ = env.step(action)
            finals.append(observation)
            if over:
                observation, _ = env.reset()
                self._teachers[index] = Teacher(env)
            observations.append(observation)
            rewards.append(REWARD_SCALE * value)
            done.append(over)
        self._seen = np.stack(observations)
        return BatchStep(self._seen, np.array(rewards), np.array(done), np.stack(finals))

    def losses(self) -> Losses:
        """Of each choice: what the executors lose that it stands for, and STEADY unless it is the usual one."""
        found = np.stack([teacher.losses() for teacher in self._teachers])
        executors = np.take_along_axis(found, self._options.counts(self._seen), axis=1)
        usual = np.array([self._usual(env.evaluation.weights) for env in self._envs])
        executors += STEADY * (np.arange(ACTION_SIZES[0]) != usual[:, None])
        return np.concatenate([executors, found[:, ACTION_SIZES[0] :]], axis=1)


class ClusterBatch(Workers):
    """See Workers."""

    def __init__(
        self,
        seed: int,
        *,
        options: ExecutorOptions,
        usual: Callable[[Weights], int],
        count: int = 64,
        processes: int = 2,
        episodes: Episodes | None = None,
    ) -> None:
        """usual: index of the option that a careful rule would always take under some weights. episodes: from what the
        arenas draw theirs; None for what the shipped policy is trained on."""
        make = partial(ClusterGroup, options=options, usual=usual, episodes=episodes)
        super().__init__(make, seed, count=count, processes=processes)
        self.action_space: gym.Space[Any] = gym.spaces.MultiDiscrete(np.array(ACTION_SIZES))

    def __enter__(self) -> Self:
        return self

    def losses(self) -> Losses:
        """The teacher's losses of each action now, shape (N, 35)."""
        return np.concatenate(self.ask("losses"))
