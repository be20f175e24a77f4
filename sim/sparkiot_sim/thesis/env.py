"""The thesis arena as a Gymnasium environment, ``sparkiot/Thesis-v0``."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario

from .arena import HIGH, ThesisArena
from .draws import STEPS, Load

LARGEST_SEED = 2**31


class ThesisEnv(gym.Env[npt.NDArray[np.float32], npt.NDArray[np.int64]]):
    """One arena. Observation: the 13 numbers of observation version 1. Action: MultiDiscrete([20, 8, 4, 3]).

    scenario: its reward weights; None draws weights for each episode. load: see ``draw``.
    An episode is truncated after ``steps``. ``info`` holds cost ($/h), latency (ms) and throughput of the step.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium declares it so

    def __init__(
        self,
        *,
        scenario: Scenario | str | None = None,
        steps: int = STEPS,
        show_shuffle: bool = False,
        load: Load = "walk",
    ) -> None:
        self.observation_space = gym.spaces.Box(np.zeros_like(HIGH), HIGH, dtype=np.float32)
        self.action_space = gym.spaces.MultiDiscrete(np.array(ACTION_SIZES))
        self._new_arena = partial(
            ThesisArena,
            1,
            steps=steps,
            show_shuffle=show_shuffle,
            load=load,
            weights=None if scenario is None else SCENARIO_WEIGHTS[Scenario(scenario)],
        )
        self._arena: ThesisArena | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed, options=options)
        if self._arena is None or seed is not None:
            self._arena = self._new_arena(seed=int(self.np_random.integers(LARGEST_SEED)))
        return self._arena.reset()[0], {}

    def step(self, action: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        if self._arena is None:
            raise RuntimeError("call reset() before step()")
        step = self._arena.step(np.asarray(action, dtype=np.int64)[None])
        outcome = step.outcome
        info = {
            "cost": float(outcome.cost[0]),
            "latency": float(outcome.latency[0]),
            "throughput": float(outcome.throughput[0]),
        }
        return step.observations[0], float(step.rewards[0]), False, step.done, info
