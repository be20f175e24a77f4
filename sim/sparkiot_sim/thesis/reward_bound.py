"""What no policy can pass in the thesis's global reward, 1000 / (mean latency + 1) - 0.1 · mean cost.

The means over T steps that any choice of actions can reach lie above a line for every price u of latency: mean cost
+ u · mean latency >= the mean over steps of the smallest cost + u · latency of all 1,920 actions. The global reward is
convex in what it falls with, so that over the region between these lines it is largest in a corner, where two
neighbouring lines meet. The more prices, the tighter the bound.
"""

import numpy as np

from .draws import Draws
from .model import Floats, all_actions, play

PRICES = np.concatenate(([0.0], np.geomspace(2.0, 500.0, 24))) / 1000
"""$ a millisecond; most of them around the 40 $ a second at which the arena's own load has its best."""


def best_global_reward(draws: Draws) -> Floats:
    """An upper bound for each trace, (N,), with the shuffle sizes known beforehand."""
    found = np.empty(draws.traces)
    actions = all_actions()
    for trace in range(draws.traces):
        least = np.zeros(len(PRICES))
        fastest = 0.0
        for rate, shuffle in zip(draws.rate[:, trace], draws.shuffle[:, trace], strict=True):
            same = np.ones(len(actions))
            outcome = play(actions, rate=rate * same, volume=same, shuffle=shuffle * same)
            least += (outcome.cost + PRICES[:, None] * outcome.latency).min(axis=1)
            fastest += outcome.latency.min()
        found[trace] = _best_corner(least / draws.steps, fastest / draws.steps)
    return found


def _best_corner(least: Floats, fastest: float) -> float:
    """The largest global reward where neighbouring lines meet. least: mean cost + price · mean latency of each price.
    fastest: the smallest mean latency."""
    latency = np.append(np.diff(least) / np.diff(PRICES), fastest)
    cost = np.append(least[:-1] - PRICES[:-1] * latency[:-1], least[-1] - PRICES[-1] * fastest)
    return float((1000 / (latency + 1) - 0.1 * cost).max())
