"""Where signals go: a topic of the devices' broker, or a Kafka topic."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from .kafka_options import OptionsError
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
    """A signal that Kafka does not take within ``timeout_s`` is given up: the next one says more.

    options: more properties of librdkafka, such as TLS and SASL. Raises OptionsError, and ModuleNotFoundError without
    confluent-kafka (extra ``edge``).
    """

    def __init__(
        self, servers: str, *, topic: str, options: Mapping[str, str] | None = None, timeout_s: float = 10.0
    ) -> None:
        from confluent_kafka import KafkaException, Producer

        self._topic = topic
        self._said: set[int] = set()
        """Codes of errors since the last signal that arrived: attempts to connect fail for several reasons in turn."""
        # What goes wrong is said once by the callbacks, and not a line for every attempt to connect.
        silent = logging.getLogger(f"{__name__}.librdkafka")
        silent.setLevel(logging.CRITICAL + 1)
        config = {
            "linger.ms": 0,
            "message.timeout.ms": int(timeout_s * 1000),
            "queue.buffering.max.messages": 1000,
            **(options or {}),
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "error_cb": self._failed,
        }
        try:
            self._producer = Producer(config, logger=silent)
        except KafkaException as error:
            raise OptionsError(f"Kafka's client does not take its properties: {error.args[0].str()}") from None
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

    def _failed(self, error: Any) -> None:
        if error.code() not in self._said:
            self._said.add(error.code())
            LOGGER.warning("signals do not reach Kafka: %s", error.str())

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is None:
            self._said.clear()
        else:
            self.lost += 1
            LOGGER.warning("a signal did not reach Kafka: %s", error.str())
