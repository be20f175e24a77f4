"""The gateway: counts what devices publish, predicts each group's load and publishes it, and forwards the messages."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from paho.mqtt.client import topic_matches_sub

from .forwarding.forwarder import Forwarder
from .groups import GroupMonitor
from .health import HealthServer
from .kafka_options import read_properties
from .metrics import registry_of
from .mqtt import MqttLink, Received
from .predictors import PREDICTORS
from .settings import EdgeSettings, Forward, Sink
from .sinks import KafkaSink, MqttSink, SignalSink

LOGGER = logging.getLogger(__name__)
REPORT_S = 60.0
TOPICS = 100_000
"""Topics whose groups are remembered: a device that makes up topics must not fill the memory."""
SETTLE_S = 5.0
"""After a link came up the broker delivers what it kept meanwhile: that is no burst, and not counted."""


@dataclass(slots=True)
class Counts:
    """Of signals, since the start. unsent: made while there was no link to send them."""

    sent: int = 0
    unsent: int = 0


class GatewayError(Exception):
    """A part of the gateway ended on its own; its log says why. Nothing is lost by starting anew."""


class Gateway:
    """One gateway. ``run`` blocks until ``stop`` is called, from a signal handler or another thread.

    wall, steady: clocks in seconds, one that tells the time of day and one that is never set. Raises BrokerError,
    SpoolError, OptionsError, HealthError, and ModuleNotFoundError for a predictor or sink whose library is not there.
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
            on_message=self._receive,
            settle=None if settings.forward is Forward.NONE else self._settle,
        )
        self._groups = groups
        self._monitors = {group.name: self._monitor(group.name) for group in groups}
        self._counted_by: dict[str, list[GroupMonitor]] = {}
        self._sink = self._open_sink()
        self.forwarder: Forwarder | None = None
        if settings.forward is not Forward.NONE:
            self.forwarder = Forwarder(settings, self.link, wall=wall, steady=steady)
        self.counts = Counts()
        self.health: HealthServer | None = None
        if settings.health_port is not None:
            self.health = HealthServer(
                settings.health_host,
                settings.health_port,
                registry=registry_of(self),
                alive=lambda: self.alive,
                problem=lambda: self.problem,
            )

    @property
    def problem(self) -> str | None:
        """Why no messages come in; None when they may."""
        return self.link.problem or (self.forwarder.intake.problem if self.forwarder else None)

    @property
    def messages(self) -> dict[str, int]:
        """How many each group has had; a message may belong to several groups."""
        return {name: monitor.messages for name, monitor in self._monitors.items()}

    @property
    def alive(self) -> bool:
        """Whether all parts run that should, between start and stop."""
        return self.link.alive and (self.forwarder is None or self.forwarder.delivery.alive)

    def start(self) -> None:
        if self.forwarder is not None:
            self.forwarder.start()
        self.link.start()
        if self.health is not None:
            self.health.start()

    def close(self) -> None:
        """Blocks for some seconds at most, while the sink takes what is left."""
        self._sink.close()
        self.link.stop()
        if self.forwarder is not None:
            self.forwarder.stop()
        if self.health is not None:
            self.health.stop()

    def run(self) -> None:
        """Raises GatewayError."""
        settings = self._settings
        self.start()
        due, report = self._steady(), self._steady() + REPORT_S
        try:
            while not self._stopping.is_set():
                due = max(due + settings.interval_seconds, self._steady())
                self._stopping.wait(max(due - self._steady(), 0.0))
                if not self.alive:
                    raise GatewayError("a part of the gateway ended on its own")
                self._tick()
                if self._steady() >= report:
                    report += REPORT_S
                    self._report()
        finally:
            self.close()

    def stop(self) -> None:
        self._stopping.set()

    def _tick(self) -> None:
        now, elapsed = self._wall(), self._steady()
        if self.problem is not None:
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
        sent, unsent = self.counts.sent, self.counts.unsent
        LOGGER.info("messages by group: %s; signals sent %d, unsent %d", self.messages, sent, unsent)
        if self.forwarder is not None:
            delivered, waiting = self.forwarder.delivery.delivered, self.forwarder.spool.messages
            dropped = dict(self.forwarder.intake.dropped)
            LOGGER.info("messages in the sink %d, on disk %d, dropped %s", delivered, waiting, dropped)

    def _receive(self, received: Received) -> None:
        monitors = self._counted_by.get(received.topic)
        if monitors is None:
            monitors = self._find_monitors(received.topic)
        for monitor in monitors:
            monitor.count()
        if self.forwarder is not None:
            self.forwarder.intake.take(received)

    def _settle(self) -> None:
        if self.forwarder is not None:
            self.forwarder.intake.settle()

    def _find_monitors(self, topic: str) -> list[GroupMonitor]:
        if len(self._counted_by) >= TOPICS:
            self._counted_by.clear()
        found = [
            self._monitors[group.name]
            for group in self._groups
            if any(topic_matches_sub(each, topic) for each in group.topics)
        ]
        self._counted_by[topic] = found
        return found

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
            options = read_properties(settings.kafka_options_file)
            return KafkaSink(settings.kafka_servers, topic=settings.kafka_topic, options=options)
        return MqttSink(self.link, topic=settings.signal_topic)
