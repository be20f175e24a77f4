"""What a micro-batch costs: a fixed part, and a part that executors share.

    duration = overhead + rows / (executors · capacity)

Every batch is planned, logged and committed, however small it is. Dividing rows by busy time counts that overhead as
work: executors then seem the slower the more there are of them, and a rule that trusts the figure never lets go of
what a burst made it ask for. A line through batches of different size per executor tells the two apart.

The overhead belongs to a layout (memory, tier, compression), the slope to the query: after a change of layout the
overhead is learned anew, and what is known of the slope stays.
"""

import math
from dataclasses import dataclass

FORGET_S = 3600.0
"""Time constant of forgetting: an hour holds a few scalings, and a query's cost per row does not change in minutes."""
RECENT_S = 180.0
"""Time constant of forgetting where the line lies, though not how steep it is: it leads through the batches of the last
minutes, so that what it says of the executors that run is what they were just seen to do."""
FEWEST = 20
"""Batches that a fit rests on, or fewer that differ as much between them as so many with LEAST_SPREAD."""
MORE_LOOKS = 4.0
"""Measurements of which such a fit of fewer batches has more, forgetting included: from the fifth on, three are left to
tell how much batches scatter."""
LEAST_SPREAD = 0.1
"""Least relative spread of rows per executor: without it the line's slope is noise."""
SIGNIFICANT = 3.0
"""Standard errors from which a slope is believed as it is: on a busy machine equal batches differ too."""
USUAL_OVERHEAD = 0.25
"""Share of a batch's duration that is taken for overhead as long as nothing tells it apart."""
DOUBT = 0.03
"""Relative spread of FEWEST batches that would count as much as this assumption does."""
LEAST_SLOPE = 0.1
"""Least share of a batch's duration that is counted as work."""
LEAST_BATCHES = 3
LEAST_BUSY_S = 60.0
"""Batches, or seconds of them, below which nothing is said of a job: one that happened to be slow is no measure of an
executor, except where it ran for so long that it kept them at work. Flink's autoscaler waits for the same reason, until
its metrics window is full (``job.autoscaler.metrics.window``)."""


def enough(batches: float, busy_s: float) -> bool:
    """Whether batches and the seconds that they took say something of those to come."""
    return batches >= LEAST_BATCHES or busy_s >= LEAST_BUSY_S


@dataclass(frozen=True, slots=True)
class Cost:
    """overhead_s: seconds of a batch that no executor shares. capacity: rows/s of one executor beside it."""

    overhead_s: float
    capacity: float


class BatchCost:
    """Least squares with exponential forgetting. Grows by one sum a measurement, whatever its number of batches."""

    __slots__ = (
        "_batches",
        "_busy_s",
        "_cxx",
        "_cxy",
        "_cyy",
        "_layout",
        "_looks",
        "_n",
        "_time",
        "_weight",
        "_x",
        "_y",
    )

    def __init__(self) -> None:
        self._time: float | None = None
        self._layout: object = None
        # Weight and means of the layout in force, of late; weight and centred sums over all of them, for long.
        self._n = self._x = self._y = 0.0
        self._weight = self._cxx = self._cxy = self._cyy = self._looks = 0.0
        # What was taken in since the start, which no forgetting makes too little.
        self._batches, self._busy_s = 0, 0.0

    def add(
        self, *, time: float, batches: int, rows: float, busy_s: float, executors: int, layout: object = None
    ) -> None:
        """Take in the batches of one measurement: how many, their rows, seconds and executors. time: epoch seconds.
        layout: what the overhead belongs to; anything that can be compared."""
        if batches <= 0 or executors <= 0:
            return
        elapsed = 0.0 if self._time is None else max(time - self._time, 0.0)
        keep, recent = math.exp(-elapsed / FORGET_S), math.exp(-elapsed / RECENT_S)
        self._time = time
        if layout != self._layout:
            self._layout, self._n, self._x, self._y = layout, 0.0, 0.0, 0.0
        before = recent * self._n
        self._n = before + batches
        share = batches / self._n
        dx, dy = rows / batches / executors - self._x, busy_s / batches - self._y
        self._x += share * dx
        self._y += share * dy
        self._weight = keep * self._weight + batches
        self._cxx = keep * self._cxx + before * share * dx * dx
        self._cxy = keep * self._cxy + before * share * dx * dy
        self._cyy = keep * self._cyy + before * share * dy * dy
        self._looks = keep * self._looks + 1
        self._batches += batches
        self._busy_s += busy_s

    def capacity(self) -> float | None:
        """Rows/s that one executor processes beside the overhead; None while batches are too few or too alike.

        Where batches scatter so much that the line may as well be level, an executor is as slow as one standard error
        leaves it: executors that do not help show as a line that is level or falls, and are no reason for more.
        """
        if self._weight < FEWEST and self._looks <= MORE_LOOKS:
            return None
        x, y = self._x, self._y
        if x <= 0 or self._cxx < max(self._weight, FEWEST) * (LEAST_SPREAD * x) ** 2:
            return None
        slope, error = self._cxy / self._cxx, self._error()
        if error is not None and slope < SIGNIFICANT * error:
            slope = min(max(slope + error, LEAST_SLOPE * y / x), y / x)
        # A line that leaves a negative overhead, or falls, describes no batch.
        return 1 / slope if slope > 0 and y >= slope * x else None

    def _error(self) -> float | None:
        """The slope's standard error; None while there are too few looks to tell it."""
        spare = self._looks - 2
        if spare < 1:
            return None
        return math.sqrt(max(self._cyy - self._cxy**2 / self._cxx, 0.0) / spare / self._cxx)

    def estimate(self) -> Cost | None:
        """The best guess at any time, None before there are enough batches with rows: what is not known is assumed, and
        the assumption fades as batches come to differ."""
        x, y = self._x, self._y
        if x <= 0 or y <= 0 or not enough(self._batches, self._busy_s):
            return None
        doubt = FEWEST * (DOUBT * x) ** 2
        slope = (self._cxy + doubt * (1 - USUAL_OVERHEAD) * y / x) / (self._cxx + doubt)
        slope = min(max(slope, LEAST_SLOPE * y / x), y / x)
        return Cost(y - slope * x, 1 / slope)
