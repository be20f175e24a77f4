"""A load that becomes known as it goes: one rate after the other, each when its time is over."""

from sparkiot_sim.workload import Mark


class ObservedLoad:
    """The load of the stretch that was observed last; what lies before it is history, what comes after is not known.

    A ``Load``, for a cluster that is advanced to the end of each stretch before the next is told. start: epoch seconds.
    rate: messages/s just before it.
    """

    def __init__(self, start: float, *, rate: float) -> None:
        self._begin = self.end = start
        self._first = start
        self._before = 0.0
        self._rate = rate

    @property
    def mean_rate(self) -> float:
        """Messages/s over all that was observed; 0 before anything was."""
        seconds = self.end - self._first
        return self._sum(self.end) / seconds if seconds > 0 else 0.0

    def extend(self, end: float, rate: float) -> None:
        """So many messages/s arrived from the end so far to ``end``. Raises ValueError for time that goes back or for a
        negative rate."""
        if end < self.end or rate < 0:
            raise ValueError(f"{rate:g} messages/s up to {end} after {self.end}: neither may go below what was")
        self._before, self._begin = self._sum(self.end), self.end
        self.end, self._rate = end, rate

    def rate_at(self, time: float) -> float:  # noqa: ARG002 - of a Load
        """Messages/s of the newest stretch."""
        return self._rate

    def arrivals(self, start: float, end: float) -> float:
        return self._sum(end) - self._sum(start)

    def between(self, start: Mark, end: Mark) -> float:
        return end[1] - start[1]

    def until(self, time: float) -> Mark:
        return 0.0, self._sum(time)

    def _sum(self, time: float) -> float:
        """Messages up to a time of the newest stretch."""
        return self._before + self._rate * (time - self._begin)
