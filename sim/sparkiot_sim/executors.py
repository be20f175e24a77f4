"""The executors of one simulated job: they take time to start, are billed from request to end, and may be lost."""

import math
from bisect import insort

import numpy as np

from .calibration import Preset


class ExecutorPool:
    """Executors by state. Time never goes back; ``next_event`` says when the pool changes by itself.

    _running: registered, as the times at which each will be lost. _pending: (ready, requested), requested and not yet
    registered. _leaving: ends of those being decommissioned; _drained: of those among them whose node takes them away.
    All in epoch seconds. running: how many are registered; a
    plain number, as every batch asks for it.
    """

    running: int

    def __init__(self, *, count: int, preset: Preset, rng: np.random.Generator, now: float) -> None:
        self.retune(preset)
        self._rng = rng
        self._running = sorted(self._lost_at(now) for _ in range(count))
        self._pending: list[tuple[float, float]] = []
        self._leaving: list[float] = []
        self._drained: list[float] = []
        self.wanted = count
        self.startup_s = self._startup()
        """Seconds that the last registered executor took; those of the start came up before the episode."""
        self.next_event = math.inf
        self._schedule()

    def retune(self, preset: Preset) -> None:
        """What executors take and how long they live from now on."""
        self._startup_s = preset.startup_s.value
        self._startup_spread = preset.startup_spread.value
        self._decommission_s = preset.decommission_s.value
        self._mean_life_s = 3600 / preset.losses_per_hour.value if preset.losses_per_hour.value else math.inf

    @property
    def pending(self) -> int:
        return len(self._pending)

    @property
    def billed(self) -> int:
        return len(self._running) + len(self._pending) + len(self._leaving)

    def scale(self, count: int, now: float) -> None:
        """Request or decommission executors so that ``count`` are left; those that have not registered go first."""
        self.wanted = count
        while len(self._running) + len(self._pending) > count:
            if self._pending:
                self._pending.pop()
            else:
                self._running.pop()
            self._leaving.append(now + self._decommission_s)
        self._request(count - len(self._running) - len(self._pending), now)
        self._schedule()

    @property
    def ending(self) -> int:
        """Executors that are on their way out because they have to, and that somebody else replaces."""
        return len(self._drained)

    def drain(self, count: int, now: float) -> None:
        """So many executors have to end, as their node is drained or a spot notice came: they finish what they do, and
        others are requested at once."""
        for _ in range(min(count, len(self._running))):
            self._running.pop()
            self._leaving.append(now + self._decommission_s)
            self._drained.append(now + self._decommission_s)
        self._request(self.wanted - len(self._running) - len(self._pending), now)
        self._schedule()

    def restart(self, ready: float, now: float) -> None:
        """Replace all executors; the new ones register together at ``ready``."""
        self._running.clear()
        self._leaving.clear()
        self._drained.clear()
        self._pending = [(ready, now)] * self.wanted
        self._schedule()

    def kill_one(self, now: float) -> None:
        """An executor dies (out of memory) and is requested again."""
        if self._running:
            self._running.pop()
            self._request(1, now)
            self._schedule()

    def advance(self, now: float) -> int:
        """Take what happened up to ``now`` into account; returns how many executors were lost."""
        if now < self.next_event:
            return 0
        while self._pending and self._pending[0][0] <= now:
            ready, requested = self._pending.pop(0)
            self.startup_s = ready - requested
            insort(self._running, self._lost_at(ready))
        self._leaving = [end for end in self._leaving if end > now]
        self._drained = [end for end in self._drained if end > now]
        lost = 0
        while self._running and self._running[0] <= now:
            self._running.pop(0)
            lost += 1
        self._request(self.wanted - len(self._running) - len(self._pending), now)
        self._schedule()
        return lost

    def _request(self, count: int, now: float) -> None:
        for _ in range(count):
            insort(self._pending, (now + self._startup(), now))

    def _startup(self) -> float:
        return self._startup_s * math.exp(self._startup_spread * self._rng.standard_normal())

    def _lost_at(self, registered: float) -> float:
        if math.isinf(self._mean_life_s):
            return math.inf
        return registered + self._rng.exponential(self._mean_life_s)

    def _schedule(self) -> None:
        self.running = len(self._running)
        self.next_event = min(
            self._running[0] if self._running else math.inf,
            self._pending[0][0] if self._pending else math.inf,
            min(self._leaving, default=math.inf),
        )
