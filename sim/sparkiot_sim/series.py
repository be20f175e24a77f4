"""Loads like recorded ones, for training only: long steps, heavy tails, sudden levels.

The generators follow the clock and move within minutes; recorded series are averages over one to five minutes that jump
from one to the next, and now and then to many times their mean. A policy that never met such steps mistakes them for
another kind of job. Constants are plausible magnitudes, drawn anew for each load; they are fits to no data set.
"""

import numpy as np

from .generators import DAY_S, DEFAULT_START
from .workload import Array, Workload

STEPS_S = (60.0, 120.0, 300.0, 300.0)
PERSISTENCE = (0.0, 0.97)
"""Autocorrelation of the logarithm from one step to the next."""
SPREAD = (0.1, 1.3)
"""Standard deviation of the logarithm."""
DAILY = (0.0, 1.0)
"""Amplitude of the day in the logarithm."""
SPIKES_PER_STEP = (0.002, 0.06)
SPIKE_TAIL = 1.7
"""Exponent of the Pareto distribution of a spike's height: large ones are rare but there."""
SPIKE_STEPS = 2.0
"""Mean length of a spike."""
SILENCE_PER_STEP = 0.002
"""Chance that a step has no load at all."""


def series(*, mean_rate: float, duration_s: float, seed: int, start: float = DEFAULT_START) -> Workload:
    """A seeded load in steps of one to five minutes. mean_rate: messages/s. duration_s: seconds, rounded up to whole
    steps, at least two. The same arguments give the same load."""
    rng = np.random.default_rng([seed, 7])
    step_s = float(rng.choice(STEPS_S))
    count = max(int(np.ceil(duration_s / step_s)), 2)
    times = start + step_s * np.arange(count, dtype=np.float64)
    level = _walk(count, rng) + rng.uniform(*DAILY) * np.sin(2 * np.pi * (times / DAY_S + rng.random()))
    rates: Array = np.exp(level) * _spikes(count, rng)
    rates[rng.random(count) < SILENCE_PER_STEP] = 0.0
    rates[0] = max(rates[0], 1e-3)  # a load that is zero throughout has no mean to scale
    return Workload(name=f"series-{seed}", times=times, rates=rates, end=start + count * step_s).scaled(mean_rate)


def _walk(count: int, rng: np.random.Generator) -> Array:
    keep, spread = rng.uniform(*PERSISTENCE), rng.uniform(*SPREAD)
    shocks = spread * np.sqrt(1 - keep * keep) * rng.standard_normal(count)
    level = np.empty(count)
    value = spread * rng.standard_normal()
    for i, shock in enumerate(shocks):
        value = keep * value + shock
        level[i] = value
    return level


def _spikes(count: int, rng: np.random.Generator) -> Array:
    factor = np.ones(count)
    for begin in np.flatnonzero(rng.random(count) < rng.uniform(*SPIKES_PER_STEP)):
        height = 1 + rng.pareto(SPIKE_TAIL)
        factor[begin : begin + rng.geometric(1 / SPIKE_STEPS)] *= height
    return factor
