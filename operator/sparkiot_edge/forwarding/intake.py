"""From the broker to the disk: what came is written and synced, and only then acknowledged."""

import enum
import logging
from collections import Counter
from collections.abc import Callable

from sparkiot_edge.mqtt import Received

from .message import LineWriter, Message
from .spool import Spool, SpoolError

LOGGER = logging.getLogger(__name__)
BATCH_BYTES = 1 << 18
"""Bytes of lines at which a batch is written before it is complete: this bounds the memory that messages take."""
RETRY_S = 5.0
"""Before a disk that failed is tried again."""


class Drop(enum.StrEnum):
    """Why a message is not forwarded. It is acknowledged nonetheless, or it would come for ever."""

    TOO_LARGE = "TooLarge"
    BAD_TOPIC = "BadTopic"
    NO_ROOM = "NoRoom"
    """Came with QoS 0 while nothing could be kept: nobody sends it again."""


class Intake:
    """``take`` and ``settle`` are called on the link's thread.

    max_line: bytes of a line. acknowledge: a packet identifier. renew: have what was not acknowledged sent anew.
    wall, steady: clocks in seconds.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        writer: LineWriter,
        max_line: int,
        acknowledge: Callable[[int], None],
        renew: Callable[[], None],
        wall: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._spool, self._writer, self._max_line = spool, writer, max_line
        self._acknowledge, self._renew = acknowledge, renew
        self._wall, self._steady = wall, steady
        self._lines: list[bytes] = []
        self._packets: list[int] = []
        self._once = 0  # lines that came with QoS 0
        self._bytes = 0
        self._retry_at = 0.0
        self.problem: str | None = None
        """Why nothing is kept and nothing acknowledged now."""
        self.kept = 0
        """Messages that were safe on disk, and then acknowledged."""
        self.refused = 0
        """Messages that were not acknowledged, and come again."""
        self.dropped: Counter[Drop] = Counter()

    @property
    def in_flight(self) -> int:
        """Messages in memory that are neither synced nor acknowledged."""
        return len(self._lines)

    def take(self, received: Received) -> None:
        topic, payload, packet = received[:3]
        if self.problem is not None:
            self._refuse(1, once=0 if packet else 1)
            return
        if packet:
            self._packets.append(packet)
        if not topic:
            self.dropped[Drop.BAD_TOPIC] += 1
        elif len(payload) > self._max_line or len(line := self._line(received)) > self._max_line:
            self.dropped[Drop.TOO_LARGE] += 1
        else:
            self._lines.append(line)
            self._bytes += len(line)
            if not packet:
                self._once += 1
            if self._bytes >= BATCH_BYTES:
                self._write()

    def settle(self) -> None:
        """Everything that came is on disk and acknowledged when this returns, or is neither."""
        if self._packets or self._lines:
            self._write()
        # While nothing is kept too: room comes from files that the sink is given.
        self._spool.roll(now=self._wall())
        if self.problem is not None:
            self._try_again()

    def _line(self, received: Received) -> bytes:
        topic, payload, packet, retained, _again = received
        return self._writer.line(Message(topic, payload, packet, self._wall(), retained))

    def _write(self) -> None:
        lines, packets, once = self._lines, self._packets, self._once
        self._lines, self._packets, self._once, self._bytes = [], [], 0, 0
        if lines:
            try:
                self._spool.append(lines, now=self._wall())
            except SpoolError as error:
                self.problem = str(error)
                self._retry_at = self._steady() + RETRY_S
                self._refuse(len(lines), once=once)
                LOGGER.warning("nothing is acknowledged any more: %s", error)
                return
            self.kept += len(lines)
        for packet in packets:
            self._acknowledge(packet)

    def _refuse(self, count: int, *, once: int) -> None:
        self.refused += count - once
        if once:
            self.dropped[Drop.NO_ROOM] += once

    def _try_again(self) -> None:
        if self._steady() < self._retry_at or not self._spool.has_room:
            return
        LOGGER.info("messages are taken again")
        self.problem = None
        self._renew()
