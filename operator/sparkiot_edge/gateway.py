"""The gateway: counts what devices publish, predicts each group's load, and publishes the signals."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage

from .groups import GroupMonitor
from .mqtt import MqttLink
from .predictors import PREDICTORS
from .settings import EdgeSettings, Sink
from .sinks import KafkaSink, MqttSink, SignalSink

LOGGER = logging.getLogger(__name__)
REPORT_S = 60.0
SETTLE_S = 5.0
"""After a link came up the broker delivers what it kept meanwhile: that is no burst, and not counted."""


@dataclass(slots=True)
class Counts:
    """Of signals, since the start. unsent: made while there was no link to send them."""

    sent: int = 0
    unsent: int = 0


class Gateway:
    """One gateway. ``run`` blocks until ``stop`` is called, from a signal handler or another thread.

    wall, steady: clocks in seconds, one that tells the time of day and one that is never set. Raises BrokerError, and
    ModuleNotFoundError for a predictor or sink whose library is not installed.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._wall, self._steady = wall, steady
        self._stopping = threading.Event()
        self._up_since: float | None = None
        groups = settings.topic_groups()
        self.link = MqttLink(
            settings.open_broker(),
            client_id=f"sparkiot-edge-{settings.source}",
            persistent=True,
            topics=[topic for group in groups for topic in group.topics],
        )
        self._monitors = {group.name: self._monitor(group.name) for group in groups}
        for group in groups:
            for topic in group.topics:
                self.link.client.message_callback_add(topic, _counting(self._monitors[group.name]))
        self._sink = self._open_sink()
        self.counts = Counts()

    def run(self) -> None:
        settings = self._settings
        self.link.start()
        due, report = self._steady(), self._steady() + REPORT_S
        try:
            while not self._stopping.is_set():
                due = max(due + settings.interval_seconds, self._steady())
                self._stopping.wait(max(due - self._steady(), 0.0))
                self._tick()
                if self._steady() >= report:
                    report += REPORT_S
                    self._report()
        finally:
            self._sink.close()
            self.link.stop()

    def stop(self) -> None:
        self._stopping.set()

    def _tick(self) -> None:
        now, elapsed = self._wall(), self._steady()
        if self.link.problem is not None:
            self._up_since = None
        elif self._up_since is None:
            self._up_since = elapsed
        settled = self._up_since is not None and elapsed - self._up_since >= SETTLE_S
        for name, monitor in self._monitors.items():
            if not settled:
                monitor.pause()
                continue
            signal = monitor.tick(now=now, elapsed=elapsed)
            if signal is None:
                continue
            if self._sink.publish(name, signal):
                self.counts.sent += 1
            else:
                self.counts.unsent += 1

    def _report(self) -> None:
        messages = {name: monitor.messages for name, monitor in self._monitors.items()}
        LOGGER.info("messages by group: %s; signals sent %d, unsent %d", messages, self.counts.sent, self.counts.unsent)

    def _monitor(self, name: str) -> GroupMonitor:
        settings = self._settings
        timing = settings.timing()
        return GroupMonitor(
            source=f"{settings.source}/{name}",
            model=settings.predictor,
            predictor=PREDICTORS[settings.predictor](timing),
            timing=timing,
            publish_every_s=settings.publish_seconds,
        )

    def _open_sink(self) -> SignalSink:
        settings = self._settings
        if settings.sink is Sink.KAFKA and settings.kafka_servers is not None:
            return KafkaSink(settings.kafka_servers, topic=settings.kafka_topic)
        return MqttSink(self.link, topic=settings.signal_topic)


def _counting(monitor: GroupMonitor) -> Callable[[Client, Any, MQTTMessage], None]:
    def count(_client: Client, _data: Any, _message: MQTTMessage) -> None:
        monitor.count()

    return count
