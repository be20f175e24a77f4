"""When burst signals wake a job's loop: at once, and then at most every few seconds.

The first seconds of a burst tell little of how far it goes, so a job is woken again when the edge announces more. A
gateway that cannot decide must not make all the cycles, though.
"""

import asyncio
import math
from collections.abc import Callable

WAKE_EVERY_S = 5.0
"""Least real time between two cycles that burst signals ask for."""


class BurstWake:
    """wake: starts a cycle. clock: epoch seconds. Its methods are called in the event loop."""

    def __init__(self, wake: Callable[[], None], *, clock: Callable[[], float]) -> None:
        self._wake = wake
        self._clock = clock
        self._woken = -math.inf
        self._postponed: asyncio.TimerHandle | None = None

    def notice(self) -> None:
        """The edge announces a burst, or a larger one than before. What comes too soon waits for the rest of
        WAKE_EVERY_S, and wakes once for all that came meanwhile."""
        if self._postponed is not None:
            return
        wait = self._woken + WAKE_EVERY_S - self._clock()
        if wait > 0:
            self._postponed = asyncio.get_running_loop().call_later(min(wait, WAKE_EVERY_S), self._wake_now)
        else:
            self._wake_now()

    def stop(self) -> None:
        """Nothing is woken any more. Idempotent."""
        if self._postponed is not None:
            self._postponed.cancel()
            self._postponed = None

    def _wake_now(self) -> None:
        self._postponed = None
        self._woken = self._clock()
        self._wake()
