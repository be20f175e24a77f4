"""What the edge's signals of the last minute say together.

One signal is off by a tenth and the next one by another tenth, while what they are about stays for minutes. The
envelope keeps the highest of a dozen proposals: who believes each signal alone pays for the highest error of all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

KEEP_S = 60.0
"""For how long signals count."""
JUDGE_S = 600.0
"""Over how long the scatter of signals is judged."""
MOST_NOISE = 0.145
"""Relative scatter of signals beyond which they are not believed at all: acting on them costs more than it saves, as
stabilisation keeps their highest error."""
AGREE = 0.25
"""Signals agree with the newest while they are within this share of their mean."""
ORDINARY = 0.8
"""Share of the steps from one value to the next that count as scatter; the largest may be what the values are about."""
USUAL_STEP = 0.79
"""Mean of the smallest ORDINARY of the absolute differences between draws of a normal distribution, in its standard
deviations."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """rate: messages/s, the mean of the newest rates that agree. support: how many these are, as a share of KEEP_S at
    one in ten seconds, at most 1."""

    rate: float
    support: float


def forecast(rates: Sequence[float]) -> Forecast | None:
    """Of the rates of KEEP_S, oldest first; None of none."""
    if not rates:
        return None
    mean, count = rates[-1], 1
    for rate in reversed(rates[:-1]):
        if abs(rate - mean) > AGREE * mean:
            break
        mean = (mean * count + rate) / (count + 1)
        count += 1
    return Forecast(mean, min(count / 6, 1.0))


def noise(values: Sequence[float]) -> float:
    """Relative standard deviation from one value to the next, robust against single steps; 0 below three values."""
    # A ratio of two positive numbers may be too small for a number: such a step is no ordinary one anyway.
    steps = sorted([abs(math.log(b / a)) for a, b in pairwise(values) if a > 0 and b > 0 and b / a > 0])
    if len(steps) < 2:
        return 0.0
    counted = steps[: max(round(ORDINARY * len(steps)), 1)]
    return min(sum(counted) / len(counted) / USUAL_STEP, 1.0)
