"""Job time: what a job's decisions, windows and traces are measured in.

For a live job it is the real time. A simulated job may run faster, so that a day of load passes in a minute; then only
its loop knows the difference, and everything below it is written in job time.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

JUMP_S = 2.0
"""Seconds between two looks that no slewing of a clock makes, which is half a millisecond a second."""


@dataclass(frozen=True, slots=True)
class JobClock:
    """Maps real to job time. Both start equal at ``origin`` (epoch seconds), then job time runs faster.

    acceleration: job seconds a real second, at least 1.
    """

    origin: float
    acceleration: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.acceleration) and self.acceleration >= 1):
            raise ValueError(f"acceleration {self.acceleration} must be 1 or more")

    def job_time(self, real: float) -> float:
        return self.origin + (real - self.origin) * self.acceleration

    def real_time(self, job: float) -> float:
        return self.origin + (job - self.origin) / self.acceleration


@dataclass(frozen=True, slots=True)
class Tick:
    """When a cycle is due: its number on the grid of intervals, and the job time it is due at."""

    number: int
    due: float


def next_tick(*, origin: float, interval_s: float, now: float, last: int | None) -> Tick:
    """The tick after the one numbered ``last``, on the job's own grid. All in job time.

    The grid keeps cycles evenly spaced whatever each costs, and spreads jobs over time by their origin. A loop that was
    late takes the tick that is due now and leaves out those it missed: two decisions at once decide nothing new. For
    the same reason a cycle off the grid (``last`` is None: a start, an edit) is followed by at least half an interval.
    """
    passed = (now - origin) / interval_s
    number = math.ceil(passed + 0.5) if last is None else max(last + 1, math.floor(passed))
    return Tick(number, origin + number * interval_s)


class JumpWatch:
    """Notices that the wall clock was set, by a clock that runs on.

    wall: epoch seconds. running: seconds of a clock that never jumps.
    """

    def __init__(self, wall: Callable[[], float], running: Callable[[], float]) -> None:
        self._wall, self._running = wall, running
        self._offset = wall() - running()

    def jump(self) -> float:
        """Seconds by which the clock was set since the last look, negative for back; 0 where it only ran on."""
        before, self._offset = self._offset, self._wall() - self._running()
        by = self._offset - before
        return by if abs(by) >= JUMP_S else 0.0


def running_clock() -> float:
    """Seconds that go on while the process is stopped or the machine sleeps, and never jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
