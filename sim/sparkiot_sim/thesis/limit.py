"""The limit: the cheapest action of all 1,920 that meets the SLA, step by step, with the rate known."""

from typing import Literal

import numpy as np

from .draws import LARGEST_SHUFFLE_MB, Draws
from .model import SLA_MS, Actions, Floats, all_actions, play

Knowledge = Literal["known", "worst"]


def limit_actions(draws: Draws, shuffle: Knowledge) -> Actions:
    """The cheapest safe actions, shape (T, N, 4).

    shuffle: ``known`` knows each step's shuffle size, which no policy of the default arena can; ``worst`` assumes the
    largest one.
    """
    steps, traces = draws.rate.shape
    rate = draws.rate.ravel()
    sizes = draws.shuffle.ravel() if shuffle == "known" else np.full(rate.size, LARGEST_SHUFFLE_MB)
    chosen = np.array([_cheapest(r, s) for r, s in zip(rate, sizes, strict=True)])
    return chosen.reshape(steps, traces, -1)


_ACTIONS = all_actions()


def _cheapest(rate: float, shuffle: float) -> Actions:
    size = len(_ACTIONS)
    load: dict[str, Floats] = {"rate": np.full(size, rate), "volume": np.zeros(size), "shuffle": np.full(size, shuffle)}
    outcome = play(_ACTIONS, **load)
    cost = np.where(outcome.latency <= SLA_MS, outcome.cost, np.inf)
    cheapest: Actions = _ACTIONS[np.argmin(cost)]
    return cheapest
