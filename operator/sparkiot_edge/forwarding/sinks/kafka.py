"""A Kafka topic: a message a line, in order, keyed by device or else by MQTT topic."""

import logging
import time
from typing import Any, NoReturn

import orjson

from sparkiot_edge.forwarding.segment import Segment

from .base import SinkError

TIMEOUT_S = 20.0
"""Until a message that no broker has confirmed counts as failed, and its segment is offered again."""
QUEUE_KBYTES = 16 * 1024


class KafkaTopic:
    """Idempotent producer, acks=all: within one attempt nothing is doubled or reordered. An attempt that failed is
    repeated whole, so that some messages come twice, with the ids that they had.

    options: more properties of librdkafka, such as TLS and SASL. Raises ModuleNotFoundError without confluent-kafka
    (extra ``edge``).
    """

    ROLL_S = 0.1

    def __init__(self, servers: str, *, topic: str, options: dict[str, str] | None = None) -> None:
        import confluent_kafka

        self._kafka: Any = confluent_kafka
        self._topic, self._timeout_s = topic, TIMEOUT_S
        self._config = {
            "bootstrap.servers": servers,
            "message.timeout.ms": int(TIMEOUT_S * 1000),
            "linger.ms": 5,
            "queue.buffering.max.kbytes": QUEUE_KBYTES,
            "delivery.report.only.error": True,
            **(options or {}),
            "enable.idempotence": True,
            "acks": "all",
        }
        self._producer: Any = None
        self._errors: list[str] = []
        self._trouble = ""

    def deliver(self, segment: Segment) -> None:
        if self._producer is None:
            self._producer = self._open()
        self._errors.clear()
        self._trouble = ""
        until = time.monotonic() + 2 * self._timeout_s
        try:
            for line in segment.lines():
                row = orjson.loads(line)
                self._produce(line.rstrip(b"\n"), key=row["device"] or row["topic"], until=until)
            left = self._producer.flush(max(until - time.monotonic(), 0))
        except OSError as error:
            raise SinkError(f"{segment.path} cannot be read: {error.strerror}") from error
        except self._kafka.KafkaException as error:
            self._fail(error.args[0].str())
        if self._errors or left:
            self._fail(*self._errors)

    def close(self) -> None:
        self._producer = None

    def _produce(self, line: bytes, *, key: str, until: float) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value=line, key=key, on_delivery=self._reported)
            except BufferError:
                if self._errors or time.monotonic() > until:
                    self._fail(*self._errors)
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _fail(self, reason: str = "no answer in time", *_more: str) -> NoReturn:
        # What is under way may yet arrive; a producer that forgets it cannot put it behind what comes next.
        self._producer.purge()
        self._producer = None
        raise SinkError(f"Kafka topic {self._topic} did not take a message: {reason}{self._trouble}")

    def _open(self) -> Any:
        try:
            # What goes wrong comes by the callbacks, once, and not a line for every attempt to connect.
            silent = logging.getLogger(f"{__name__}.librdkafka")
            silent.setLevel(logging.CRITICAL + 1)
            return self._kafka.Producer(self._config | {"error_cb": self._troubled}, logger=silent)
        except self._kafka.KafkaException as error:
            raise SinkError(f"Kafka's client cannot be made: {error.args[0].str()}") from error

    def _troubled(self, error: Any) -> None:
        self._trouble = f" ({error.str()})"

    def _reported(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._errors.append(error.str())
