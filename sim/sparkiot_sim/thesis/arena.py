"""Many thesis arenas side by side, stepped with arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkiot_policies.objectives import Weights
from sparkiot_policies.observation import ELEMENTS, SIZES

from .draws import STEPS, Draws, Load, draw
from .model import Actions, Floats, Outcome, play, reward

OBSERVATION_SIZE = SIZES[1]
HIGH = np.array([e.high for e in ELEMENTS[:OBSERVATION_SIZE]], dtype=np.float32)
"""Upper bounds of the observation; Glacier's latency goes beyond its bound and is shown as the bound."""
AT_START = {"cpu": 50.0, "memory": 50.0, "latency": 500.0, "cost": 5.0}
"""Shown before the first step, when nothing has run yet: percent, percent, ms, $/h."""

Observations = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Step:
    """What one step returns. observations: (N, 13). rewards: the arena's, (N,). done: all episodes ended."""

    observations: Observations
    rewards: Floats
    outcome: Outcome
    done: bool


class ThesisArena:
    """N arenas in lockstep.

    num_envs: N. seed: of all draws. steps: of an episode. show_shuffle: show the coming step's shuffle size instead of
    the last one's. load: see ``draw``. weights: reward weights of all arenas; None draws them anew for each episode,
    uniformly over what sums to 1.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        seed: int,
        steps: int = STEPS,
        show_shuffle: bool = False,
        load: Load = "walk",
        weights: Weights | None = None,
    ) -> None:
        self._num_envs = num_envs
        self._rng = np.random.default_rng(seed)
        self._steps = steps
        self._show_shuffle = show_shuffle
        self._load = load
        self._fixed = weights
        self.weights: Floats = np.empty((num_envs, 3))
        self._draws: Draws | None = None
        self._now = 0

    def reset(self, draws: Draws | None = None) -> Observations:
        """Begin episodes, on these traces or on newly drawn ones. Raises ValueError when there are not N traces."""
        if draws is not None and draws.traces != self._num_envs:
            raise ValueError(f"{draws.traces} traces for {self._num_envs} arenas")
        fresh = draws or draw(self._rng, traces=self._num_envs, steps=self._steps, load=self._load)
        if self._fixed is None:
            self.weights = self._rng.dirichlet(np.ones(3), self._num_envs)
        else:
            self.weights[:] = (self._fixed.cost, self._fixed.latency, self._fixed.throughput)
        self._draws, self._now = fresh, 0
        size = self._num_envs
        cpu, memory, latency, cost = (np.full(size, v) for v in AT_START.values())
        before = Outcome(cost=cost, latency=latency, throughput=np.zeros(size), cpu=cpu, memory=memory)
        # Nothing has arrived yet: the first step's data stands in for the last one's.
        return self._observe(fresh, before, rate=fresh.start, shown=0)

    def step(self, actions: Actions) -> Step:
        """Play one step. actions: MultiDiscrete, shape (N, 4). Raises RuntimeError outside an episode."""
        draws, t = self._draws, self._now
        if draws is None or t >= draws.steps:
            raise RuntimeError("the episode has ended or not begun; call reset()")
        outcome = play(actions, rate=draws.rate[t], volume=draws.volume[t], shuffle=draws.shuffle[t])
        rewards = reward(outcome, actions, weights=self.weights, temperature=draws.temperature[t])
        self._now += 1
        observations = self._observe(draws, outcome, rate=draws.rate[t], shown=t)
        return Step(observations, rewards, outcome, done=self._now >= draws.steps)

    def _observe(self, draws: Draws, last: Outcome, *, rate: Floats, shown: int) -> Observations:
        """The state after a step; ``shown`` is the step whose data it shows."""
        ahead = min(self._now, draws.steps - 1)
        observed = np.empty((self._num_envs, OBSERVATION_SIZE), dtype=np.float32)
        observed[:, 0] = rate
        observed[:, 1] = draws.volume[shown]
        observed[:, 2] = last.cpu
        observed[:, 3] = last.memory
        observed[:, 4] = last.latency
        observed[:, 5] = last.cost
        observed[:, 6:9] = self.weights
        observed[:, 9] = draws.shuffle[ahead if self._show_shuffle else shown]
        observed[:, 10] = draws.temperature[shown]
        observed[:, 11] = draws.rate[ahead]
        observed[:, 12] = draws.burst[ahead]
        return np.minimum(observed, HIGH)
