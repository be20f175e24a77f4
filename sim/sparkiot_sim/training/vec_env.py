"""A vectorised arena behind the interface that Stable-Baselines3 trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

from sparkiot_policies.features import Features

Observations = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BatchStep:
    """One step of N environments. observations: raw, (N, elements); of the next episode where one is done.

    rewards, done: (N,). final: raw last observations of the episodes that are done, (N, elements), to bootstrap from
    where an episode was cut short; None where its end is one, or where nothing is carried over between steps.
    """

    observations: Observations
    rewards: npt.NDArray[np.float64]
    done: npt.NDArray[np.bool_]
    final: Observations | None = None


def joined(steps: Sequence[BatchStep]) -> BatchStep:
    """The same step of several groups as one, in order; ``final`` holds the rows of those that have it."""
    finals = [s.final for s in steps if s.final is not None]
    return BatchStep(
        np.concatenate([s.observations for s in steps]),
        np.concatenate([s.rewards for s in steps]),
        np.concatenate([s.done for s in steps]),
        np.concatenate(finals) if finals else None,
    )


class BatchEnv(Protocol):
    """N environments in lockstep that begin their next episode by themselves."""

    @property
    def num_envs(self) -> int: ...

    @property
    def action_space(self) -> gym.Space[Any]: ...

    def reset(self) -> Observations: ...

    def step(self, actions: npt.NDArray[Any]) -> BatchStep: ...


class FeatureVecEnv(VecEnv):
    """Shows the learner the features that the artifact's graph will compute, and no raw numbers."""

    def __init__(self, batch: BatchEnv, features: Features) -> None:
        space = gym.spaces.Box(-np.inf, np.inf, (features.size,), np.float32)
        super().__init__(batch.num_envs, space, batch.action_space)
        self._batch = batch
        self._features = features
        self._actions: npt.NDArray[Any] = np.empty(0)

    def reset(self) -> Observations:
        return self._features.apply(self._batch.reset())

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[Observations, npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        step = self._batch.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if step.final is not None:
            finals = self._features.apply(step.final)
            for i in np.flatnonzero(step.done):
                infos[i] = {"terminal_observation": finals[i], "TimeLimit.truncated": True}
        return self._features.apply(step.observations), step.rewards.astype(np.float32), step.done, infos

    def close(self) -> None:
        """Nothing is open."""

    # What follows is asked of a list of environments; this is one batch, with nothing to wrap, render or reseed.

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name != "render_mode":
            raise NotImplementedError(f"{attr_name}: the environments are one batch")
        return [None for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError(f"{attr_name}: the environments are one batch")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError(f"{method_name}: the environments are one batch")

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: Any = None) -> list[bool]:
        del wrapper_class
        return [False for _ in self._get_indices(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """The batch was seeded when it was made; None says that this did nothing."""
        del seed
        return [None] * self.num_envs
