"""From the disk to the sink, in order, for as long as it takes."""

import logging
import threading
from collections.abc import Callable

from .sinks.base import Sink, SinkError
from .spool import Spool, SpoolError

LOGGER = logging.getLogger(__name__)
RETRY_S = (0.5, 30.0)
"""Shortest and longest wait before a sink that failed is tried again; it doubles."""
LOOK_S = 1.0


class Delivery:
    """A thread of its own. retry_s: the waits. steady: a clock in seconds that is never set."""

    def __init__(self, spool: Spool, sink: Sink, *, steady: Callable[[], float], retry_s: tuple[float, float]) -> None:
        self._spool, self._sink, self._steady = spool, sink, steady
        self._shortest, self._longest = retry_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self.problem: str | None = None
        """Why the sink does not take what it is given; None when it last did, or was not tried yet."""
        self.delivered = 0
        """Messages that are safe in the sink."""
        self.segments = 0
        self.failures = 0
        self.busy_s = 0.0
        """Seconds that the sink took for what it took."""

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """After ``Spool.close``: deliver what is left, for so many seconds and while the sink takes it. The rest stays
        on disk for the next process, as does what a sink was given that does not answer."""
        self._thread.join(grace_s if self.problem is None else 0)
        self._stopping.set()
        self._thread.join(grace_s)

    def _run(self) -> None:
        try:
            self._deliver()
        finally:
            self._sink.close()

    def _deliver(self) -> None:
        wait = self._shortest
        while not self._stopping.is_set():
            segment = self._spool.take(LOOK_S)
            if segment is None:
                if self._spool.closed:
                    return
                continue
            begun = self._steady()
            try:
                self._sink.deliver(segment)
                messages = self._spool.done(segment)
            except (SinkError, SpoolError) as error:
                self.failures += 1
                if self.problem is None:
                    LOGGER.warning("the sink takes nothing: %s", error)
                self.problem = str(error)
                self._stopping.wait(wait)
                wait = min(2 * wait, self._longest)
                continue
            if self.problem is not None:
                LOGGER.info("the sink is back; %d messages wait for it", self._spool.messages)
            self.problem, wait = None, self._shortest
            self.delivered += messages
            self.segments += 1
            self.busy_s += self._steady() - begun
