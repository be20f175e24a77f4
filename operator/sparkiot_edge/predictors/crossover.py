"""Moving-average crossover, as the thesis has it: a burst is ahead when the short mean runs away from the long one."""

from typing import ClassVar

from .base import BURST_RATIO, Prediction, Timing
from .rolling import Rolling

ALARM_RATIO = 1.3
"""Short over long mean from which a burst is announced; below BURST_RATIO, as a burst is to be announced before it."""


class Crossover:
    """alarm_ratio: short mean over long mean that raises the alarm."""

    NAME: ClassVar[str] = "Crossover"

    def __init__(self, timing: Timing, *, alarm_ratio: float = ALARM_RATIO) -> None:
        self._alarm_ratio = alarm_ratio
        self._short = Rolling(timing.short)
        self._long = Rolling(timing.trailing)
        self._least = timing.least

    def observe(self, rate: float, *, now: float) -> Prediction | None:  # noqa: ARG002 - the protocol's
        self._short.add(rate)
        self._long.add(rate)
        if len(self._long) < self._least:
            return None
        short, long = self._short.mean, self._long.mean
        ratio = short / long if long > 0 else 1.0
        # From an even load to a burst that has begun, in a line: the crossover itself knows no probability.
        probability = min(max((ratio - 1) / (BURST_RATIO - 1), 0.0), 1.0)
        return Prediction(rate=short, probability=probability, alarm=ratio >= self._alarm_ratio)
