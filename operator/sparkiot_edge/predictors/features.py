"""The seven temporal features of the thesis's pattern extractor, free of the load's own scale."""

import math
from collections import deque
from dataclasses import astuple, dataclass, fields

from .base import BURST_RATIO, LEAST_SCATTER, Timing
from .rolling import Rolling

SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Features:
    """velocity: change of the short mean over its own length, relative to the trailing mean. acceleration: change of
    that. level: logarithm of the short over the trailing mean (the thesis's rolling mean, which is no feature of its
    own where loads differ in scale). deviation: standard deviation of the trailing rates over their mean.
    burst_probability: that the short mean, moved on by velocity for its own length, exceeds BURST_RATIO times the
    trailing mean, as if it scattered normally. hour_sin, hour_cos: time of day, UTC.
    """

    velocity: float
    acceleration: float
    level: float
    deviation: float
    burst_probability: float
    hour_sin: float
    hour_cos: float


NAMES = tuple(field.name for field in fields(Features))


class FeatureExtractor:
    """Of one load. short_mean: messages/s, the present rate."""

    def __init__(self, timing: Timing) -> None:
        self._size = timing.short
        self._least = timing.least
        self._recent = Rolling(timing.short)
        self._trailing = Rolling(timing.trailing)
        self._means: deque[float] = deque(maxlen=2 * timing.short + 1)
        self.short_mean = 0.0

    @property
    def ready(self) -> bool:
        """Whether there are enough rates."""
        return len(self._trailing) >= self._least

    def observe(self, rate: float, *, now: float) -> Features | None:
        """The features at ``now``; None until there are enough rates, or while there is no load at all."""
        self._recent.add(rate)
        self._trailing.add(rate)
        self.short_mean = short = self._recent.mean
        means = self._means
        means.append(short)
        mean = self._trailing.mean
        if not self.ready or mean <= 0:
            return None
        size = self._size
        before = means[max(len(means) - 1 - size, 0)]
        velocity = (short - before) / mean
        acceleration = velocity - (before - means[0]) / mean
        deviation = self._trailing.deviation / mean
        angle = 2 * math.pi * (now % SECONDS_PER_DAY) / SECONDS_PER_DAY
        return Features(
            velocity=velocity,
            acceleration=acceleration,
            level=math.log(max(short / mean, FLOOR)),
            deviation=deviation,
            burst_probability=_exceeds(short / mean + velocity, deviation),
            hour_sin=math.sin(angle),
            hour_cos=math.cos(angle),
        )


FLOOR = 0.05
"""Level below which no difference matters; the logarithm of nothing is none."""


def _exceeds(level: float, deviation: float) -> float:
    scatter = max(deviation, LEAST_SCATTER)
    return 0.5 * math.erfc((BURST_RATIO - level) / (scatter * math.sqrt(2)))


def values(features: Features) -> tuple[float, ...]:
    """In the order of NAMES."""
    return astuple(features)
