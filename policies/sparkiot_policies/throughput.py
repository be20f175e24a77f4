"""What executors were seen to do: the true processing rate, rows over the time that batches were busy.

Source: DS2 ("Three steps is all you need", Kalavri et al., OSDI 2018). One look suffices there, as operators that run
all the time are busy in countless small pieces; a micro-batch is one piece, so a few of them are asked for.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from .batch_cost import enough
from .measurement import Batch, Measurement


class Work(NamedTuple):
    """What the settled batches of one measurement did. running: executors, 0 where unknown."""

    time: float
    batches: int
    rows: float
    busy_s: float
    running: int

    @classmethod
    def of(cls, m: Measurement, batches: Sequence[Batch]) -> "Work":
        rows, busy_s = sum([b.rows for b in batches]), sum([b.duration_s for b in batches])
        return cls(m.time, len(batches), rows, busy_s, m.running or 0)


class Throughput:
    """Over a window of measurements; each is summed once, as a window may hold hundreds of batches."""

    __slots__ = ("_work",)

    def __init__(self) -> None:
        self._work: deque[Work] = deque()

    def add(self, work: Work, *, window_s: float) -> None:
        """Take the newest in and forget those older than the window, but for the last few batches: where triggers are
        long, a window may hold a single one."""
        kept = self._work
        kept.append(work)
        batches, busy_s = sum([w.batches for w in kept]), sum([w.busy_s for w in kept])
        while (first := kept[0]).time < work.time - window_s:
            batches, busy_s = batches - first.batches, busy_s - first.busy_s
            if not enough(batches, busy_s):
                break
            kept.popleft()

    def rate(self) -> float | None:
        """Rows/s of the whole job while it was busy; None without a busy batch."""
        busy_s = sum([w.busy_s for w in self._work])
        return sum([w.rows for w in self._work]) / busy_s if busy_s > 0 else None

    def capacity(self) -> float | None:
        """Rows/s of one executor, the overhead of batches counted as work; None while batches are too few."""
        known = [w for w in self._work if w.running]
        if not enough(sum([w.batches for w in known]), sum([w.busy_s for w in known])):
            return None
        rows, work_s = sum([w.rows for w in known]), sum([w.running * w.busy_s for w in known])
        return rows / work_s if rows > 0 and work_s > 0 else None
