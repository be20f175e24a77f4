"""A load over time: a step function of messages per second that repeats for ever."""

import copy
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mark = tuple[float, float]
"""A point of a load: cycles, and messages of the cycle under way."""


class Load(Protocol):
    """What a cluster needs of the messages that arrive: a known ``Workload``, or one that becomes known as it goes."""

    def rate_at(self, time: float) -> float: ...

    def arrivals(self, start: float, end: float) -> float: ...

    def between(self, start: Mark, end: Mark) -> float: ...

    def until(self, time: float) -> Mark: ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Workload:
    """Arrivals of one job, known in full.

    times: epoch seconds, strictly ascending, shape (n,); ``rates[i]`` holds from ``times[i]`` to ``times[i + 1]``.
    rates: messages/s, finite, not negative, shape (n,).
    end: epoch seconds up to which the last rate holds. Before ``times[0]`` and from ``end`` on the load repeats
    cyclically, so every time has a rate.
    Raises ValueError when one of these does not hold.
    """

    name: str
    times: Array
    rates: Array
    end: float
    # The simulator asks for single numbers thousands of times a second: bisect in these beats numpy at that. Lists
    # are no faster, take four times the room, and an operator holds a load for each recipe among its jobs.
    _offsets: "array[float]" = field(init=False, repr=False)
    _rates: "array[float]" = field(init=False, repr=False)
    _sums: "array[float]" = field(init=False, repr=False)
    _total: float = field(init=False, repr=False)
    _duration: float = field(init=False, repr=False)
    _start: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        times, rates = np.asarray(self.times, dtype=np.float64), np.asarray(self.rates, dtype=np.float64)
        _check(self.name, times, rates, self.end)
        lengths = np.diff(times, append=self.end)
        sums = np.concatenate(([0.0], np.cumsum(rates * lengths)))
        derived = {
            "times": times,
            "rates": rates,
            "_offsets": array("d", times - times[0]),
            "_rates": array("d", rates),
            "_sums": array("d", sums[:-1]),
            "_total": float(sums[-1]),
            "_duration": float(self.end - times[0]),
            "_start": float(times[0]),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def start(self) -> float:
        """Epoch seconds of the first rate."""
        return self._start

    @property
    def duration_s(self) -> float:
        """Seconds after which the load repeats."""
        return self._duration

    def begun_at(self, start: float) -> "Workload":
        """The same load, begun at ``start``, epoch seconds. Both share what is long, as hundreds of jobs have one."""
        moved = copy.copy(self)
        shift = start - self._start
        for name, value in {"times": self.times + shift, "end": self.end + shift, "_start": start}.items():
            object.__setattr__(moved, name, value)
        return moved

    @property
    def mean_rate(self) -> float:
        """Messages/s over one cycle."""
        return self._total / self._duration

    @property
    def step_s(self) -> float:
        """The median length of a step, seconds."""
        return float(np.median(np.diff(self.times, append=self.end)))

    def rate_at(self, time: float) -> float:
        """Messages/s at ``time``, epoch seconds."""
        return self._rates[bisect_right(self._offsets, (time - self._start) % self._duration) - 1]

    def arrivals(self, start: float, end: float) -> float:
        """Messages that arrive in [start, end), epoch seconds: the exact integral of the rate."""
        return self.between(self.until(start), self.until(end))

    def between(self, start: Mark, end: Mark) -> float:
        """Messages between two marks: for who asks for one stretch after another, and need not find its start again."""
        (cycle, part), (last_cycle, last_part) = start, end
        return (last_cycle - cycle) * self._total + last_part - part

    def until(self, time: float) -> Mark:
        """The mark of a time: whole cycles before it, and messages of the cycle under way."""
        cycle, phase = divmod(time - self._start, self._duration)
        index = bisect_right(self._offsets, phase) - 1
        return cycle, self._sums[index] + self._rates[index] * (phase - self._offsets[index])

    def peak(self, start: float, end: float) -> float:
        """The highest rate in [start, end], messages/s."""
        if end - start >= self._duration:
            return max(self._rates)
        begin, stop = (start - self._start) % self._duration, (end - self._start) % self._duration
        first, last = bisect_right(self._offsets, begin) - 1, bisect_right(self._offsets, stop) - 1
        if begin <= stop:
            return max(self._rates[first : last + 1])
        return max(self._rates[first:] + self._rates[: last + 1])

    def scaled(self, mean_rate: float) -> "Workload":
        """The same shape at another mean, messages/s. Raises ValueError when this load is zero throughout."""
        if self._total <= 0:
            raise ValueError(f"workload {self.name!r} is zero throughout and cannot be scaled to {mean_rate:g} msg/s")
        return replace(self, rates=self.rates * (mean_rate / self.mean_rate))


def _check(name: str, times: Array, rates: Array, end: float) -> None:
    if times.ndim != 1 or times.shape != rates.shape or times.size == 0:
        raise ValueError(f"workload {name!r}: times {times.shape} and rates {rates.shape} must be one equal length > 0")
    if not (np.isfinite(times).all() and np.isfinite(rates).all() and np.isfinite(end)):
        raise ValueError(f"workload {name!r}: a time or a rate is not finite")
    if (rates < 0).any():
        raise ValueError(f"workload {name!r}: rate {rates.min():g} msg/s is negative")
    if (np.diff(times) <= 0).any() or end <= times[-1]:
        raise ValueError(f"workload {name!r}: times must ascend strictly and end after the last")
