"""Whether a quantity grows while nothing asks it to: a line through it, and how sure its slope is. Pure.

Samples a few seconds apart are not independent: what is resident now was resident just before. So the line goes
through the means of blocks of minutes, by least squares, and its slope has the interval of Student's t over those
blocks. Where blocks too hang together, as those of a heap that wanders do, the interval is still too narrow; the bound
that it is held against is therefore far above what a heap wanders in an hour.
"""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from sparkiot_sim.tournament.statistics import t_quantile

BLOCK_MIN = 5.0
FEWEST_BLOCKS = 4
"""Below that an interval says nothing."""


class Verdict(enum.StrEnum):
    FLAT = "flat"
    """The whole interval lies below the bound."""
    GROWS = "grows"
    """The whole interval lies above it."""
    UNDECIDED = "undecided"
    """The interval holds the bound, or there are too few blocks: a longer run would tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """slope, low, high: units an hour, with the 95 % interval. middle: mean value, at the mean time ``at_min``."""

    slope: float
    low: float
    high: float
    middle: float
    at_min: float
    blocks: int

    def verdict(self, bound: float) -> Verdict:
        """bound: the most that it may grow, units an hour."""
        if self.blocks < FEWEST_BLOCKS:
            return Verdict.UNDECIDED
        if self.high <= bound:
            return Verdict.FLAT
        return Verdict.GROWS if self.low > bound else Verdict.UNDECIDED

    def line(self, minutes: float) -> float:
        return self.middle + self.slope * (minutes - self.at_min) / 60


def trend(minutes: Sequence[float], values: Sequence[float], *, block_min: float = BLOCK_MIN) -> Trend | None:
    """The trend of samples at these minutes, ascending; None of fewer than three blocks."""
    samples = zip(minutes, values, strict=True)
    blocks = [
        (fmean(at for at, _ in block), fmean(value for _, value in block))
        for block in (list(found) for _, found in groupby(samples, key=lambda sample: sample[0] // block_min))
    ]
    if len(blocks) < 3:
        return None
    hours, means = [at / 60 for at, _ in blocks], [mean for _, mean in blocks]
    centre, middle = fmean(hours), fmean(means)
    spread = sum((hour - centre) ** 2 for hour in hours)
    slope = sum((hour - centre) * (mean - middle) for hour, mean in zip(hours, means, strict=True)) / spread
    rest = sum((mean - middle - slope * (hour - centre)) ** 2 for hour, mean in zip(hours, means, strict=True))
    freedom = len(blocks) - 2
    half_width = t_quantile(freedom) * math.sqrt(rest / freedom / spread)
    return Trend(
        slope=slope,
        low=slope - half_width,
        high=slope + half_width,
        middle=middle,
        at_min=centre * 60,
        blocks=len(blocks),
    )
