"""A device's message as a line of JSON: what every sink carries, whatever the devices send.

A broker that got no acknowledgement sends a message again, and whoever counts messages must know it by its id. That is
the device's own where the payload has one. Else it is a digest of what both deliveries share: topic, payload, and the
packet identifier, which a broker keeps for the second delivery and gives to another message only later.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

MAX_LABEL = 128
"""Characters of an id or a device's name; a longer one is taken for none."""


class Message(NamedTuple):
    """As it came. packet: MQTT's packet identifier, 0 with QoS 0. time: epoch seconds of its arrival. retained: the
    broker has kept it, and sends it to whoever subscribes."""

    topic: str
    payload: bytes
    packet: int
    time: float
    retained: bool = False


@dataclass(slots=True, kw_only=True)
class LineWriter:
    """source: the gateway's name. id_field, device_field: where a payload that is a JSON object names itself, and its
    device."""

    source: str
    id_field: str = "id"
    device_field: str = "device"
    _second: int = field(default=-1, init=False)
    _stamp: str = field(default="", init=False)

    def line(self, message: Message) -> bytes:
        """``{"id", "device", "topic", "time", "payload"}`` and a line feed.

        ``payload`` is text as it came; one that is not UTF-8 is null, and ``payloadBase64`` follows. ``device`` is null
        where the payload names none.
        """
        topic, payload, _packet, time, _retained = message
        row: dict[str, Any] = {"id": None, "device": None, "topic": topic, "time": self._time(time)}
        try:
            row["payload"] = payload.decode()
        except UnicodeDecodeError:
            row["payload"], row["payloadBase64"] = None, base64.b64encode(payload).decode()
        else:
            row["id"], row["device"] = self._own(payload)
        if row["id"] is None:
            row["id"] = self._digest(message)
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

    def _own(self, payload: bytes) -> tuple[str | None, str | None]:
        try:
            value = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None, None
        if not isinstance(value, dict):
            return None, None
        return _label(value.get(self.id_field)), _label(value.get(self.device_field))

    def _digest(self, message: Message) -> str:
        if message.retained:
            once = "retained"  # each subscription brings it again, as another packet
        elif message.packet:
            once = f"packet {message.packet}"
        else:
            once = f"time {message.time!r}"  # with QoS 0 it comes once, and its arrival tells it from its equals
        head = "\0".join((self.source, once, message.topic, ""))
        return hashlib.blake2b(head.encode() + message.payload, digest_size=16).hexdigest()

    def _time(self, time: float) -> str:
        second = int(time)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{int(time % 1 * 1000):03d}Z"


def _label(value: Any) -> str | None:
    if type(value) is int:  # a bool is no name
        return str(value)
    return value if isinstance(value, str) and 0 < len(value) <= MAX_LABEL else None
