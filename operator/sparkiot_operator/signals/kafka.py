"""Signals from a Kafka topic.

A reader follows all partitions by itself and joins no consumer group: each job's reader wants every signal, no position
is worth keeping, and the operator needs no right but to read the topic. It begins where signals are young enough to be
of use. Partitions that are added to the topic later are found when the reader is opened again.
"""

import contextlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sparkiot_edge.mqtt import BrokerError

LOGGER = logging.getLogger(__name__)
ANSWER_S = 5.0
"""How long a broker may take for a question."""
RETRY_S = 2.0
POLL_S = 0.2
STOP_S = 5.0
CALLBACKS = 10
SILENT = "cannot be reached"
_TOOK = re.compile(r" \(after \d+ms in state .*\)$")
"""What makes one trouble another at every attempt."""
SETTINGS: Mapping[str, Any] = {
    "group.id": "sparkiot",  # the client wants one; nothing is committed under it
    "enable.auto.commit": False,
    "auto.offset.reset": "latest",
    "reconnect.backoff.ms": 500,
    "reconnect.backoff.max.ms": 10_000,
    "statistics.interval.ms": 1000,
    "log_level": 2,  # a broker that is away is a problem of the job's, which its status tells once
}


class KafkaReader:
    """A ``SignalReader``.

    options: of librdkafka: brokers and credentials. key: of the messages that are meant; all of them when None.
    lookback_s: how old a message may be that was there before. clock: epoch seconds. Raises BrokerError where the
    client is not installed or does not take the options.
    """

    def __init__(
        self,
        topic: str,
        options: Mapping[str, Any],
        on_signal: Callable[[bytes, bool], None],
        *,
        key: str | None,
        lookback_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            import confluent_kafka
        except ModuleNotFoundError:
            raise BrokerError("signals from Kafka need confluent-kafka: pip install 'sparkiot[kafka]'") from None
        self._kafka = confluent_kafka
        self._topic = topic
        self._brokers = options["bootstrap.servers"]
        self._on_signal = on_signal
        self._key = None if key is None else key.encode()
        self._lookback_s = lookback_s
        self._clock = clock
        self._problem: str | None = "not connected yet"
        self._trouble = SILENT
        self._ends: dict[int, int] = {}
        self._newest_ms = 0
        self._down = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-signals", daemon=True)
        callbacks = {"stats_cb": self._measured, "error_cb": self._erred}
        try:
            self._consumer = confluent_kafka.Consumer({**options, **SETTINGS, **callbacks}, logger=LOGGER)
        except confluent_kafka.KafkaException as error:
            raise BrokerError(f"the Kafka client does not take these settings: {error.args[0].str()}") from None

    @property
    def problem(self) -> str | None:
        return self._problem

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._ends:
                    self._assign()
                elif (message := self._consumer.poll(POLL_S)) is not None:
                    self._take(message)
        finally:
            self._consumer.close()

    def _assign(self) -> None:
        """Follow all partitions, each from its first message that is new and young enough."""
        partition = self._kafka.TopicPartition
        begin = max(int((self._clock() - self._lookback_s) * 1000), self._newest_ms + 1)
        try:
            found = self._consumer.list_topics(self._topic, timeout=ANSWER_S).topics[self._topic]
            if found.error is not None or not found.partitions:
                reason = found.error.str() if found.error else "it has no partitions"
                self._wait(f"topic {self._topic} at {self._brokers}: {reason}")
                return
            wanted = [partition(self._topic, number, begin) for number in found.partitions]
            starts = self._consumer.offsets_for_times(wanted, timeout=ANSWER_S)
            ends = {p.partition: self._consumer.get_watermark_offsets(p, timeout=ANSWER_S)[1] for p in starts}
        except self._kafka.KafkaException as error:
            self._heard()
            self._wait(f"{self._brokers}: {error.args[0].str() if self._trouble == SILENT else self._trouble}")
            return
        self._consumer.assign(starts)
        self._ends, self._down, self._trouble = ends, False, SILENT
        self._say(None)

    def _take(self, message: Any) -> None:
        error = message.error()
        if error is not None:
            self._ends = {}  # the topic may be another one now: look again
            self._wait(f"topic {self._topic} at {self._brokers}: {error.str()}")
            return
        self._newest_ms = max(self._newest_ms, message.timestamp()[1])
        if self._key is not None and message.key() != self._key:
            return
        self._on_signal(message.value() or b"", message.offset() >= self._ends.get(message.partition(), 0))

    def _measured(self, text: str) -> None:
        """The client's statistics, which alone tell whether a broker that says nothing is there."""
        brokers = json.loads(text)["brokers"].values()
        if not any(broker["state"] == "UP" for broker in brokers):
            self._down = True
            self._say(f"{self._brokers}: {self._trouble}")
        elif self._down:
            self._ends = {}  # who was away may have come back with other topics: look again

    def _erred(self, error: Any) -> None:
        if error.code() != self._kafka.KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - a public code, by its name
            self._trouble = _TOOK.sub("", error.str())

    def _heard(self) -> None:
        """Have the callbacks called that wait: a certificate or a password is told by them alone."""
        for _ in range(CALLBACKS):
            self._consumer.poll(0)

    def _wait(self, problem: str) -> None:
        self._say(problem)
        with contextlib.suppress(self._kafka.KafkaException):
            self._consumer.unassign()
        self._stopping.wait(RETRY_S)

    def _say(self, problem: str | None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            LOGGER.info("%s: signals are read from topic %s", self._brokers, self._topic)
        else:
            LOGGER.warning("%s", problem)
