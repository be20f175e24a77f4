"""The arena's chance, drawn before any policy acts, so that all policies of a run meet the same trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from .model import Floats

STEPS = 500
"""Steps of an episode and of a tournament run."""
Load = Literal["walk", "training"]

START_RATE = (10.0, 200.0)
RATE_BOUNDS = (10.0, 900.0)
BURST_PROBABILITY, BURST_FACTOR, DRIFT_FACTOR = 0.2, (2.0, 4.0), (0.8, 1.2)
VOLUME_MB, SHUFFLE_SHARE = (10.0, 500.0), (0.1, 0.5)
RARE_RATE, RARE_SHUFFLE = 0.1, 0.5
LARGEST_SHUFFLE_MB = VOLUME_MB[1] * SHUFFLE_SHARE[1]


@dataclass(frozen=True, slots=True)
class Draws:
    """N traces of T steps; row t is what step t meets.

    start: messages/s shown before the first step, shape (N,). Of shape (T, N): rate, messages/s; burst, whether the
    rate was announced as one; volume, MB; shuffle, raw MB; temperature, probability of reuse.
    """

    start: Floats
    rate: Floats
    burst: npt.NDArray[np.bool_]
    volume: Floats
    shuffle: Floats
    temperature: Floats

    @property
    def steps(self) -> int:
        return int(self.rate.shape[0])

    @property
    def traces(self) -> int:
        return int(self.rate.shape[1])


def draw(rng: np.random.Generator, *, traces: int, steps: int = STEPS, load: Load = "walk") -> Draws:
    """Draw traces. ``walk`` is the arena itself: it spends most of its time high up, and its first step meets the rate
    that the start shows. ``training`` makes what is rare there frequent: every rate, the upper bound in RARE_RATE of
    the steps, the largest shuffle in RARE_SHUFFLE of them. A policy that fails one step in fifty would otherwise have
    to be told so by the noise.
    """
    start = rng.uniform(*START_RATE, traces)
    bursts = rng.random((steps, traces)) < BURST_PROBABILITY
    bursts[0] = False
    factors = np.where(bursts, rng.uniform(*BURST_FACTOR, (steps, traces)), rng.uniform(*DRIFT_FACTOR, (steps, traces)))
    factors[0] = 1.0
    rate = _walk(start, factors)
    volume = rng.uniform(*VOLUME_MB, (steps, traces))
    shuffle = volume * rng.uniform(*SHUFFLE_SHARE, (steps, traces))
    if load == "training":
        rate = np.where(rng.random(rate.shape) < RARE_RATE, RATE_BOUNDS[1], rng.uniform(*RATE_BOUNDS, rate.shape))
        shuffle = np.where(rng.random(rate.shape) < RARE_SHUFFLE, LARGEST_SHUFFLE_MB, shuffle)
    return Draws(
        start=start,
        rate=rate,
        burst=bursts,
        volume=volume,
        shuffle=shuffle,
        temperature=rng.random((steps, traces)),
    )


def seeded(seeds: npt.ArrayLike, *, steps: int = STEPS) -> Draws:
    """One trace of the arena's own load for each seed; a seed's trace does not depend on the others."""
    return _beside(
        [draw(np.random.default_rng(int(s)), traces=1, steps=steps) for s in np.atleast_1d(np.asarray(seeds))]
    )


def repeated(draws: Draws, times: int) -> Draws:
    """All traces one after the other, and that ``times`` over."""
    return _beside([draws] * times)


def _beside(parts: Sequence[Draws]) -> Draws:
    """The traces of all parts as one, in order."""
    return Draws(**{name: np.concatenate([getattr(d, name) for d in parts], axis=-1) for name in Draws.__slots__})


def _walk(start: Floats, factors: Floats) -> Floats:
    rate = np.empty_like(factors)
    current = start
    for t, factor in enumerate(factors):
        current = np.clip(current * factor, *RATE_BOUNDS)
        rate[t] = current
    return rate
