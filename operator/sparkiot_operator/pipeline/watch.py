"""Hears the edge's signals beside the job, to say when an alarm came."""

import time
from types import TracebackType
from typing import Self

from sparkiot_edge.mqtt import Broker, MqttLink, Received
from sparkiot_edge.signal import Signal, SignalError, parse_signal


class SignalLog:
    """While its context lasts. newest: None before the first. alarms: when each rose, epoch seconds."""

    def __init__(self, broker_url: str, topic: str) -> None:
        self.newest: Signal | None = None
        self.alarms: list[float] = []
        self._link = MqttLink(
            Broker(url=broker_url), client_id="", persistent=False, topics=[topic], on_message=self._hear
        )

    def __enter__(self) -> Self:
        self._link.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.stop()

    def _hear(self, received: Received) -> None:
        try:
            signal = parse_signal(received.payload)
        except SignalError:
            return
        if signal.alarm and not (self.newest and self.newest.alarm):
            self.alarms.append(time.time())
        self.newest = signal
