"""What a micro-batch costs: a fixed part, and a part that executors share.

    duration = overhead + rows / (executors · capacity)

Every batch is planned, logged and committed, however small it is. Dividing rows by busy time counts that overhead as
work: executors then seem the slower the more there are of them, and a rule that trusts the figure never lets go of
what a burst made it ask for. A line through batches of different size per executor tells the two apart.
"""

import math

FORGET_S = 3600.0
"""Time constant of forgetting: an hour holds a few scalings, and a query's cost per row does not change in minutes."""
FEWEST = 20
"""Batches that a fit rests on at least."""
LEAST_SPREAD = 0.1
"""Least relative spread of rows per executor: without it the line's slope is noise."""


class BatchCost:
    """Least squares with exponential forgetting. Grows by one sum a measurement, whatever its number of batches."""

    __slots__ = ("_n", "_time", "_x", "_xx", "_xy", "_y")

    def __init__(self) -> None:
        self._time: float | None = None
        self._n = self._x = self._y = self._xx = self._xy = 0.0

    def add(self, *, time: float, batches: int, rows: float, busy_s: float, executors: int) -> None:
        """Take in the batches of one measurement: how many, their rows, seconds and executors. time: epoch seconds."""
        if batches <= 0 or executors <= 0:
            return
        keep = 1.0 if self._time is None else math.exp(-max(time - self._time, 0.0) / FORGET_S)
        self._time = time
        x, y = rows / batches / executors, busy_s / batches
        self._n = keep * self._n + batches
        self._x = keep * self._x + batches * x
        self._y = keep * self._y + batches * y
        self._xx = keep * self._xx + batches * x * x
        self._xy = keep * self._xy + batches * x * y

    def capacity(self) -> float | None:
        """Rows/s that one executor processes beside the overhead; None while batches are too few or too alike."""
        if self._n < FEWEST:
            return None
        x, y = self._x / self._n, self._y / self._n
        variance = self._xx / self._n - x * x
        if x <= 0 or variance < (LEAST_SPREAD * x) ** 2:
            return None
        slope = (self._xy / self._n - x * y) / variance
        # A line that leaves a negative overhead, or falls, describes no batch.
        return 1 / slope if slope > 0 and y >= slope * x else None
