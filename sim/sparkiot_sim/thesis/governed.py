"""Runs whose reward weights somebody else sets: a meta-controller, from what the last steps showed, or fixed ones."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.manifest import CONTEXTS
from sparkiot_policies.objectives import Weights

from .actors import Actor
from .arena import Observations
from .draws import Draws
from .model import EXECUTOR_HOUR, GB_HOUR, SLA_MS, Actions, Floats

PERIOD = 50
"""Steps between two choices of weights. A tenth of a run: the global reward of a few steps is that of their load."""
SCHEMA = 1
"""Version of the meta-controller's context here: rate, its spread, latency, attainment, cost."""
LARGEST_PER_HOUR = ACTION_SIZES[0] * (EXECUTOR_HOUR + ACTION_SIZES[1] * GB_HOUR)
"""$/h of the largest allocation but for its shuffle, against which cost counts."""
RATE, LATENCY, COST, WEIGHTS = 0, 4, 5, slice(6, 9)
"""Where these stand in an observation."""

Contexts = npt.NDArray[np.float32]
Choice = Callable[[Contexts], npt.ArrayLike]
"""Contexts (N, 5) to reward weights (N, 3), or the same three for all."""


def contexts(shown: Observations) -> Contexts:
    """The context (version 1) of each of N runs, from the observations of its last steps, (steps, N, 13)."""
    rate, latency, cost = (shown[:, :, element].astype(np.float64) for element in (RATE, LATENCY, COST))
    mean = rate.mean(axis=0)
    values = {
        "rate_mean": mean,
        "rate_spread": rate.std(axis=0) / mean,
        "latency_ratio": latency.mean(axis=0) / SLA_MS,
        "attainment": (latency <= SLA_MS).mean(axis=0),
        "budget_burn": cost.mean(axis=0) / LARGEST_PER_HOUR,
    }
    return np.stack([values[name] for name in CONTEXTS[SCHEMA]], axis=1).astype(np.float32)


def fixed(weights: Weights) -> Choice:
    """The same weights whatever is seen."""
    return lambda _: (weights.cost, weights.latency, weights.throughput)


class GovernedActor:
    """An actor under weights that ``choose`` sets at the start and then every PERIOD steps. name: of its rows."""

    def __init__(self, actor: Actor, choose: Choice, *, name: str) -> None:
        self.identity = PolicyIdentity(name)
        self._actor = actor
        self._choose = choose
        self._shown: list[Observations] = []
        self._weights: Floats = np.empty((0, 3))
        self._steps = 0

    def begin(self, draws: Draws) -> None:
        self._actor.begin(draws)
        self._shown, self._steps = [], 0

    def act(self, observations: Observations) -> Actions:
        self._shown.append(observations)
        if self._steps % PERIOD == 0:
            weights = np.asarray(self._choose(contexts(np.stack(self._shown))), dtype=np.float64)
            self._weights = np.broadcast_to(weights, (len(observations), 3))
            self._shown = []
        self._steps += 1
        return self._actor.act(weighted(observations, self._weights))


def weighted(observations: Observations, weights: npt.ArrayLike) -> Observations:
    """Observations (N, 13) under other reward weights, (N, 3)."""
    found = observations.copy()
    found[:, WEIGHTS] = weights
    return found
