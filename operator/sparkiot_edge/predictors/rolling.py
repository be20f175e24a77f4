"""Mean and deviation of the last values, at the same cost for any number of them."""

import math
from collections import deque


class Rolling:
    """The last ``size`` values."""

    def __init__(self, size: int) -> None:
        self._values: deque[float] = deque(maxlen=size)
        self._sum = 0.0
        self._squares = 0.0
        self._since_exact = 0

    def __len__(self) -> int:
        return len(self._values)

    def add(self, value: float) -> None:
        values = self._values
        if len(values) == values.maxlen:
            oldest = values[0]
            self._sum -= oldest
            self._squares -= oldest * oldest
        values.append(value)
        self._sum += value
        self._squares += value * value
        self._since_exact += 1
        if self._since_exact >= len(values):
            # What one large value rounded away would stay away for ever.
            self._sum, self._squares = math.fsum(values), math.fsum(v * v for v in values)
            self._since_exact = 0

    @property
    def mean(self) -> float:
        """Of at least one value."""
        return max(self._sum / len(self._values), 0.0)

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        mean = self._sum / len(self._values)
        return math.sqrt(max(self._squares / len(self._values) - mean * mean, 0.0))
