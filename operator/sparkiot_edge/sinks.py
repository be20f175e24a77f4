"""Where signals go: a topic of the devices' broker, or a Kafka topic."""

import logging
from typing import Any, Protocol

from .mqtt import MqttLink
from .signal import Signal

LOGGER = logging.getLogger(__name__)
FLUSH_S = 2.0


class SignalSink(Protocol):
    """``publish`` never blocks, and says whether the signal was taken: one that waits for a link is of no use then."""

    def publish(self, group: str, signal: Signal) -> bool: ...

    def close(self) -> None: ...


class MqttSink:
    """Signals are retained: an operator that comes later has the newest at once, and judges its age itself."""

    def __init__(self, link: MqttLink, *, topic: str) -> None:
        self._link = link
        self._topic = topic

    def publish(self, group: str, signal: Signal) -> bool:
        return self._link.publish(f"{self._topic}/{group}", signal.encode(), retain=True)

    def close(self) -> None:
        """The link belongs to the gateway."""


class KafkaSink:
    """Raises ModuleNotFoundError without confluent-kafka (extra ``edge``). A signal that Kafka does not take within
    ``timeout_s`` is given up: the next one says more."""

    def __init__(self, servers: str, *, topic: str, timeout_s: float = 10.0) -> None:
        from confluent_kafka import Producer

        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.timeout.ms": int(timeout_s * 1000),
                "queue.buffering.max.messages": 1000,
                "error_cb": lambda error: LOGGER.warning("Kafka: %s", error),
            },
            logger=LOGGER,
        )
        self.lost = 0

    def publish(self, group: str, signal: Signal) -> bool:
        self._producer.poll(0)
        try:
            self._producer.produce(self._topic, value=signal.encode(), key=group, on_delivery=self._delivered)
        except BufferError:
            return False
        return True

    def close(self) -> None:
        self._producer.flush(FLUSH_S)

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self.lost += 1
            LOGGER.warning("a signal did not reach Kafka: %s", error)
