"""When burst signals wake a job's loop: at once, soon again, and then less and less often.

The first seconds of a burst tell little of how far it goes, so a job is woken again when the edge announces more. A
gateway that cannot decide must not make all the cycles, though.
"""

import asyncio
import math
from collections.abc import Callable

SOON_S = 1.0
"""Least real time between the first two cycles that burst signals ask for; it doubles with each that follows."""
MOST_S = 5.0
"""What it grows to, and how long nothing must have been announced beyond that for the next burst to begin anew."""


class BurstWake:
    """wake: starts a cycle. clock: epoch seconds. Its methods are called in the event loop."""

    def __init__(self, wake: Callable[[], None], *, clock: Callable[[], float]) -> None:
        self._wake = wake
        self._clock = clock
        self._woken = -math.inf
        self._apart = SOON_S
        self._postponed: asyncio.TimerHandle | None = None

    def notice(self) -> None:
        """The edge announces a burst, or a larger one than before. What comes too soon waits for the rest of the time
        that lies between two cycles by now, and wakes once for all that came meanwhile."""
        if self._postponed is not None:
            return
        wait = self._woken + self._apart - self._clock()
        if wait > 0:
            self._postponed = asyncio.get_running_loop().call_later(min(wait, self._apart), self._wake_now)
        else:
            self._wake_now()

    def stop(self) -> None:
        """Nothing is woken any more. Idempotent."""
        if self._postponed is not None:
            self._postponed.cancel()
            self._postponed = None

    def _wake_now(self) -> None:
        self._postponed = None
        now = self._clock()
        calm = now - self._woken > self._apart + MOST_S
        self._apart = SOON_S if calm else min(2 * self._apart, MOST_S)
        self._woken = now
        self._wake()
