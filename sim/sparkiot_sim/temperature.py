"""Data temperature: the probability that a batch's shuffle data is read again. It drifts around a job's mean."""

import math

import numpy as np

from .calibration import TemperatureConstants


class TemperatureWalk:
    """A mean-reverting walk between 0 and 1, constant within a step, the same however often it is asked."""

    def __init__(self, *, mean: float, constants: TemperatureConstants, rng: np.random.Generator, start: float) -> None:
        self._mean = mean
        self._step_s = constants.step_s.value
        self._persistence = constants.persistence.value
        self._noise = constants.spread.value * math.sqrt(1 - self._persistence**2)
        self._rng = rng
        self._deviation = constants.spread.value * rng.standard_normal()
        self._until = start + self._step_s

    def at(self, now: float) -> float:
        """The value at ``now``, epoch seconds, not before the last one that was asked for."""
        while now >= self._until:
            self._deviation = self._persistence * self._deviation + self._noise * self._rng.standard_normal()
            self._until += self._step_s
        return min(max(self._mean + self._deviation, 0.0), 1.0)
