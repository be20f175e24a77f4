"""Many realistic arenas in lockstep, spread over processes: what PPO collects its experience from."""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_sim.arena import ClusterEnv
from sparkiot_sim.setting import Randomisation

from .teacher import Losses, Teacher
from .vec_env import BatchStep, Observations


class _Group:
    """The environments of one process."""

    def __init__(self, seeds: Sequence[int], randomisation: Randomisation) -> None:
        self._envs = [ClusterEnv(randomisation=randomisation) for _ in seeds]
        self._seeds = seeds
        self._teachers: list[Teacher] = []

    def reset(self) -> Observations:
        observations = [env.reset(seed=seed)[0] for env, seed in zip(self._envs, self._seeds, strict=True)]
        self._teachers = [Teacher(env) for env in self._envs]
        return np.stack(observations)

    def step(self, actions: npt.NDArray[np.int64]) -> BatchStep:
        observations, rewards, done = [], [], []
        finals = []
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


def _serve(pipe: Connection, seeds: Sequence[int], randomisation: Randomisation) -> None:
    group = _Group(seeds, randomisation)
    while (request := pipe.recv()) is not None:
        name, arguments = request
        pipe.send(getattr(group, name)(*arguments))


class ClusterBatch:
    """``count`` environments over some processes; a context manager that ends them. Equal seeds, equal episodes."""

    def __init__(
        self, seed: int, *, count: int = 64, processes: int = 2, randomisation: Randomisation | None = None
    ) -> None:
        self.num_envs = count
        self.action_space: gym.Space[Any] = gym.spaces.MultiDiscrete(np.array(ACTION_SIZES))
        seeds = np.random.SeedSequence(seed).generate_state(count).tolist()
        # A fresh interpreter each: forking one that holds torch's threads may hang.
        context = multiprocessing.get_context("spawn")
        self._pipes, self._workers = [], []
        self._cuts = np.linspace(0, count, processes + 1).astype(int)[1:-1]
        for part in np.split(np.array(seeds), self._cuts):
            here, there = context.Pipe()
            arguments = (there, part.tolist(), randomisation or Randomisation())
            worker = context.Process(target=_serve, args=arguments, daemon=True)
            worker.start()
            there.close()
            self._pipes.append(here)
            self._workers.append(worker)

    def __enter__(self) -> "ClusterBatch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for worker in self._workers:
            worker.join()

    def reset(self) -> Observations:
        return np.concatenate(self._ask("reset", [()] * len(self._pipes)))

    def step(self, actions: npt.NDArray[Any]) -> BatchStep:
        steps: list[BatchStep] = self._ask("step", [(part,) for part in np.split(actions, self._cuts)])
        return BatchStep(
            np.concatenate([s.observations for s in steps]),
            np.concatenate([s.rewards for s in steps]),
            np.concatenate([s.done for s in steps]),
            np.concatenate([s.final for s in steps if s.final is not None]),
        )

    def losses(self) -> Losses:
        """The teacher's losses of each action now, shape (N, 35)."""
        return np.concatenate(self._ask("losses", [()] * len(self._pipes)))

    def _ask(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        for pipe, given in zip(self._pipes, arguments, strict=True):
            pipe.send((name, given))
        return [pipe.recv() for pipe in self._pipes]
