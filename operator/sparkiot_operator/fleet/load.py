"""How many messages a fleet sends, second by second: one of the simulator's loads, times bursts that are asked for."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sparkiot_sim.workload import Workload

BURST = re.compile(r"^(?P<at>[\d.]+):(?P<factor>[\d.]+)(?::(?P<length>[\d.]+))?$")
BURST_S = 30.0


@dataclass(frozen=True, slots=True)
class Burst:
    """at: seconds since the start. factor: what the load is multiplied by. length: seconds. Raises ValueError."""

    at: float
    factor: float
    length: float = BURST_S

    def __post_init__(self) -> None:
        numbers = (self.at, self.factor, self.length)
        if not all(map(math.isfinite, numbers)) or self.at < 0 or not self.length > 0:
            raise ValueError(f"burst at {self.at:g} s for {self.length:g} s: neither may be negative, nor the length 0")
        if not 0 < self.factor <= 1000:
            raise ValueError(f"a burst's factor is above 0 and at most 1000, not {self.factor:g}")

    @property
    def end(self) -> float:
        return self.at + self.length

    @classmethod
    def parse(cls, text: str) -> "Burst":
        """``AT:FACTOR[:SECONDS]``."""
        found = BURST.match(text)
        if found is None:
            raise ValueError(f"burst {text!r} is not AT:FACTOR[:SECONDS], such as 30:4:20")
        return cls(float(found["at"]), float(found["factor"]), float(found["length"] or BURST_S))


class FleetLoad:
    """The load of a run, by seconds since its start.

    workload: begins with its first rate, and repeats. bursts: where two overlap, the larger factor counts. speed:
    seconds of the workload that pass in one second; its rates stay what they are.
    """

    def __init__(self, workload: Workload, bursts: Sequence[Burst] = (), *, speed: float = 1.0) -> None:
        self._workload = workload
        self._speed = speed
        self.bursts: tuple[Burst, ...] = tuple(sorted(bursts, key=lambda burst: burst.at))

    def add(self, burst: Burst) -> None:
        """One more burst, while the load is being sent: it begins later than what was asked for so far."""
        self.bursts = (*self.bursts, burst)

    def rate(self, elapsed: float) -> float:
        """Messages/s."""
        return self._workload.rate_at(self._time(elapsed)) * self._factor(elapsed)

    def messages(self, begin: float, end: float) -> float:
        """Messages between two moments: the exact integral of the rate."""
        edges = sorted({edge for burst in self.bursts for edge in (burst.at, burst.end)})
        cuts = [begin, *(edge for edge in edges if begin < edge < end), end]
        return sum(
            self._workload.arrivals(self._time(a), self._time(b)) / self._speed * self._factor(a)
            for a, b in pairwise(cuts)
        )

    def _factor(self, elapsed: float) -> float:
        return max((burst.factor for burst in self.bursts if burst.at <= elapsed < burst.end), default=1.0)

    def _time(self, elapsed: float) -> float:
        return self._workload.start + elapsed * self._speed
