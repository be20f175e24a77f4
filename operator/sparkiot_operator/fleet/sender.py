"""Sends what a fleet has to say to a broker, at QoS 1, for as long as it was told and not longer.

A broker that is away or slow is no reason to send less: what it has not acknowledged waits here, up to MOST_WAITING
messages. From there on nothing more is made until there is room, and then at once what is due.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sparkiot_edge.mqtt import QOS, Broker, BrokerError, MqttLink

from .load import FleetLoad
from .readings import Devices, Reading

CONNECT_S = 10.0
TICK_S = 0.02
MOST_WAITING = 5000
REPEAT_AFTER_S = 2.0
DRAIN_S = 15.0
"""How long the last acknowledgements are waited for."""
ID_BITS = 20


def ids_from(now: float) -> int:
    """A first id above those of every run that began earlier, as long as none sends more than a million a second; it
    stays below 2^53, which every JSON reader keeps exact. now: epoch seconds."""
    return int(now) << ID_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How a run stands. elapsed_s: since its start. due: messages that the load asks for until now. messages: of these,
    sent. repeats: sent once more. waiting: sent and not acknowledged. problem: why nothing goes; None while it does."""

    elapsed_s: float
    due: int
    messages: int
    repeats: int
    waiting: int
    problem: str | None


class Fleet:
    """One run of a fleet.

    repeat: share of the messages that is sent again after REPEAT_AFTER_S. wall, steady: clocks in seconds, one that
    tells the time of day and one that is never set.
    """

    def __init__(
        self,
        broker: Broker,
        devices: Devices,
        load: FleetLoad,
        *,
        first_id: int,
        repeat: float = 0.0,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.load = load
        self.first_id = first_id
        self._devices = devices
        self._repeat = repeat
        self._wall, self._steady = wall, steady
        self._again: deque[tuple[float, Reading]] = deque()
        self._handed = self._acknowledged = 0
        self._due = 0.0
        self._messages = self._repeats = 0
        self._begun: float | None = None
        self.begun = math.nan
        """When it began to send, epoch seconds."""
        self._link = MqttLink(broker, client_id="", persistent=False)
        # No limit of paho's own: with one it walks over all messages under way at each acknowledgement.
        self._link.client.max_inflight_messages_set(0)
        self._link.client.on_publish = self._published

    @property
    def ids(self) -> range:
        """Of the messages that were sent."""
        return range(self.first_id, self.first_id + self._messages)

    @property
    def sent(self) -> Sent:
        return Sent(
            elapsed_s=0.0 if self._begun is None else self._steady() - self._begun,
            due=int(self._due),
            messages=self._messages,
            repeats=self._repeats,
            waiting=self._waiting,
            problem=self._link.problem,
        )

    @property
    def _waiting(self) -> int:
        return self._handed - self._acknowledged

    def run(self, seconds: float, *, stop: threading.Event, each_tick: Callable[[Sent], None] = lambda _: None) -> Sent:
        """Send for so many seconds, or until stop is set; then wait for what is not acknowledged. Blocks.

        Raises BrokerError when the broker is not reached at the beginning.
        """
        self._link.start()
        try:
            if not self._link.wait(CONNECT_S):
                raise BrokerError(f"no connection within {CONNECT_S:g} s: {self._link.problem}")
            self._begun, self.begun, elapsed = self._steady(), self._wall(), 0.0
            while elapsed < seconds and not stop.is_set():
                stop.wait(TICK_S)
                before, elapsed = elapsed, min(self._steady() - self._begun, seconds)
                self._due += self.load.messages(before, elapsed)
                self._send(elapsed)
                each_tick(self.sent)
            self._drain(each_tick)
            return self.sent
        finally:
            self._link.stop()

    def _send(self, elapsed: float) -> None:
        while self._messages < int(self._due) and self._waiting < MOST_WAITING:
            reading = self._devices.read(self.first_id + self._messages, now=self._wall())
            self._hand(reading)
            self._messages += 1
            if int(self._messages * self._repeat) > len(self._again) + self._repeats:
                self._again.append((elapsed + REPEAT_AFTER_S, reading))
        while self._again and self._again[0][0] <= elapsed:
            self._hand_again(self._again.popleft()[1])

    def _drain(self, each_tick: Callable[[Sent], None]) -> None:
        while self._again:
            self._hand_again(self._again.popleft()[1])
        until = self._steady() + DRAIN_S
        while self._waiting and self._steady() < until:
            each_tick(self.sent)
            time.sleep(TICK_S)

    def _hand_again(self, reading: Reading) -> None:
        self._hand(reading)
        self._repeats += 1

    def _hand(self, reading: Reading) -> None:
        """paho keeps it until the broker has it, also while there is no connection."""
        self._handed += 1
        self._link.client.publish(reading.topic, reading.payload, qos=QOS)

    def _published(
        self, _client: Client, _data: Any, _message: int, _code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._acknowledged += 1
