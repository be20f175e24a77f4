"""Holt-Winters: exponential smoothing of level and trend, by river.

No season: a day of load is no period of a gateway that was started an hour ago, and events keep no time of day.
"""

import math
from typing import Any, ClassVar

from .base import BURST_RATIO, LEAST_SCATTER, Prediction, Timing
from .rolling import Rolling

ALPHA, BETA = 0.5, 0.02
"""Share of a new short mean in the level, and of a new step in the trend."""
ALARM_RATIO = 1.3
"""Forecast over trailing mean from which a burst is announced; chosen on the loads of the learned one's fit."""
ERRORS = 60
"""Errors of past forecasts, one each short mean, that the probability rests on."""


class HoltWinters:
    """Raises ModuleNotFoundError without river (extra ``edge``)."""

    NAME: ClassVar[str] = "HoltWinters"

    def __init__(self, timing: Timing, *, alarm_ratio: float = ALARM_RATIO) -> None:
        from river import time_series

        untyped: Any = time_series  # river states no types
        self._model = untyped.HoltWinters(alpha=ALPHA, beta=BETA)
        self._alarm_ratio = alarm_ratio
        self._every = timing.short
        self._ahead = max(round(timing.horizon_s / (timing.interval_s * timing.short)), 1)
        self._short = Rolling(timing.short)
        self._long = Rolling(timing.trailing)
        self._least = timing.least
        self._errors = Rolling(ERRORS)
        self._forecast: float | None = None
        self._steps = 0

    def observe(self, rate: float, *, now: float) -> Prediction | None:  # noqa: ARG002 - the protocol's
        self._short.add(rate)
        self._long.add(rate)
        self._steps += 1
        if self._steps % self._every == 0:
            self._learn(self._short.mean)
        if self._forecast is None or len(self._long) < self._least:
            return None
        if self._long.mean <= 0:
            return Prediction(rate=0.0, probability=0.0, alarm=False)
        expected, threshold = self._forecast, BURST_RATIO * self._long.mean
        scatter = max(self._errors.deviation if len(self._errors) else 0.0, LEAST_SCATTER * self._long.mean)
        return Prediction(
            rate=expected,
            probability=0.5 * math.erfc((threshold - expected) / (scatter * math.sqrt(2))),
            alarm=expected >= self._alarm_ratio * self._long.mean,
        )

    def _learn(self, value: float) -> None:
        if self._forecast is not None:
            self._errors.add(value - self._model.forecast(horizon=1)[0])
        self._model.learn_one(value)
        # Smoothing begins with the second value: of one there is no trend.
        if self._steps >= 2 * self._every:
            self._forecast = max(float(self._model.forecast(horizon=self._ahead)[-1]), 0.0)
