"""What every predictor is: rates in, a prediction out. No clock, no network, no randomness."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

BURST_RATIO = 1.5
"""A burst is load over so many times its trailing mean: the simulator's definition, which policies were trained on."""
TRAILING_S = 600.0
SHORT_S = 5.0
"""Over how long the present rate is averaged: single seconds scatter, and every second of it is one of lead lost."""

LEAST_SCATTER = 0.05
"""Of the short mean, relative: an even load has its jitter, and counts scatter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """interval_s: seconds between two rates. horizon_s: how far ahead to look.

    Raises ValueError where one is not positive, or nothing could be measured within the horizon.
    """

    interval_s: float
    horizon_s: float

    def __post_init__(self) -> None:
        if not 0 < self.interval_s <= self.horizon_s:
            raise ValueError(
                f"interval {self.interval_s:g} s must be positive and not above horizon {self.horizon_s:g} s"
            )

    @property
    def short(self) -> int:
        """Rates in the short mean."""
        return max(round(SHORT_S / self.interval_s), 1)

    @property
    def trailing(self) -> int:
        """Rates in the trailing mean; at least three, as in the simulator's definition of a burst."""
        return max(round(TRAILING_S / self.interval_s), 3)

    @property
    def least(self) -> int:
        """Rates after which a prediction is made: a gateway that was restarted is not to be silent for long."""
        return max(round(self.horizon_s / self.interval_s), 3)


@dataclass(frozen=True, slots=True)
class Prediction:
    """rate: messages/s, the highest expected within the horizon. probability: that load is in a burst within it.
    alarm: that is announced."""

    rate: float
    probability: float
    alarm: bool


class Predictor(Protocol):
    """Predicts one load. Build it with a Timing."""

    NAME: ClassVar[str]

    def observe(self, rate: float, *, now: float) -> Prediction | None:
        """Take in the rate of the interval that ends at ``now`` (epoch seconds); None until enough is known.

        rate: messages/s, finite and at least 0.
        """
        ...
