"""Which batches say something of those to come: what a job goes through when Spark starts teaches nothing.

A fresh JVM compiles its code as it goes, and its first batch also loads classes, connects, and plans for the first
time: on two idle cores it was seen to take four times as long as ever after. Taken for what executors can do, it asks
for executors without end.

Source of the idea: Apache Flink's autoscaler, which drops what it measured before a job had run for a while after each
start (``job.autoscaler.stabilization.interval``) rather than average it away.
"""

import math

from .measurement import Batch, Measurement

WARM_UP_S = 60.0
"""Time after Spark's start in which batches say nothing of those to come; measured with Spark 3.5 on two cores."""
JITTER_S = 5.0
"""By how much the same start may seem to move between two looks: clocks, and the way that a report takes."""


class Settling:
    """Of one job, over Spark's restarts."""

    __slots__ = ("_first", "_started")

    def __init__(self) -> None:
        self._started = -math.inf
        self._first = False

    def settled(self, m: Measurement) -> tuple[Batch, ...]:
        """The batches of the newest measurement that count; call it once for each, in their order.

        A backend that does not tell Spark's uptime has none that is cold.
        """
        started = -math.inf if m.uptime_s is None else m.time - m.uptime_s
        if started > self._started + JITTER_S:
            self._started, self._first = started, True
        batches = m.batches
        if self._first and (own := tuple(b for b in batches if b.time > self._started)):
            self._first, batches = False, own[1:]
        earliest = self._started + WARM_UP_S
        return tuple([b for b in batches if b.time - b.duration_s >= earliest])
