"""What a sink of device messages is."""

from typing import Protocol

from sparkiot_edge.forwarding.segment import Segment


class SinkError(Exception):
    """A segment did not reach the sink, and is to be offered again later. The message says what to do about it."""


class Sink(Protocol):
    """Called from one thread."""

    ROLL_S: float
    """Seconds of messages in a segment, while the sink keeps up and nobody states another number."""

    def deliver(self, segment: Segment) -> None:
        """The segment is safe in the sink when this returns. It comes again after a failure or a crash, with the same
        name and lines. Raises SinkError."""

    def close(self) -> None: ...
