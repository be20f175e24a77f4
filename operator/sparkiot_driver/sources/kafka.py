"""Kafka topics, as partitions that are read to offsets.

No consumer group: the positions are in the query's checkpoint. The columns are those of Spark's own connector, and so
is the form of the offsets, by which the driver's runtime tells a job's backlog.
"""

# ruff: noqa: SLF001 - some of the client's error codes begin with an underscore, and are public
from __future__ import annotations

import contextlib
import datetime
import logging
import time
from typing import Any, Dict, Iterator, NamedTuple, NoReturn, Tuple

from sparkiot_driver.sources.options import KafkaOptions, SourceOptionError, read_properties
from sparkiot_driver.sources.positions import Positions, shared

COLUMNS = (
    "key BINARY, value BINARY, topic STRING, partition INT, offset BIGINT, timestamp TIMESTAMP, timestampType INT, "
    "headers ARRAY<STRUCT<key: STRING, value: BINARY>>"
)
ANSWER_S = 10.0
"""How long brokers may take for a question."""
SILENCE_S = 60.0
"""How long a task waits for a message that is there."""
AT_ONCE = 1000
_CALLBACKS = 10
_FIXED = {
    "group.id": "sparkiot",  # the client wants one; nothing is committed under it
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
}

Offsets = Dict[str, Positions]
"""``{topic: {partition: offset of the next message}}``."""
Row = Tuple[Any, ...]


class KafkaSourceError(RuntimeError):
    """A topic cannot be read. The message says what to do about it, and no secret."""


class Range(NamedTuple):
    """Messages of a partition from ``first`` up to and without ``until``."""

    partition: int
    first: int
    until: int


class Topic:
    """Opened at the first question, in the process that asks. Raises SourceOptionError and KafkaSourceError."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._consumer: Any = None
        self._trouble = ""
        self.seen: Offsets | None = None
        """What ``head`` said last."""

    def begin(self) -> Offsets:
        """The first message that is there, or that is young enough."""
        with self._asked():
            partitions = self._partitions()
            if self._options.since_ms is None:
                return self._offsets({p: self._watermarks(p)[0] for p in partitions})
            wanted = [self._at(p, self._options.since_ms) for p in partitions]
            found = self._consumer.offsets_for_times(wanted, timeout=ANSWER_S)
            # A negative number where no message is young enough: the next one will be.
            starts = {p.partition: p.offset if p.offset >= 0 else self._watermarks(p.partition)[1] for p in found}
            return self._offsets(starts)

    def head(self) -> Offsets:
        """The message that comes next, of each partition."""
        with self._asked():
            self.seen = self._offsets({p: self._watermarks(p)[1] for p in self._partitions()})
        return self.seen

    def end(self, start: Offsets, max_rows: int | None, *, target: Offsets | None = None) -> Offsets:
        """Where a batch ends that begins at ``start``: at ``start`` when nothing waits. target: read no further."""
        begun, head = self._mine(start), self._mine(target or self.head())
        behind = {p: head.get(p, 0) - begun.get(p, 0) for p in {**begun, **head}}
        if lost := sorted(p for p, lag in behind.items() if lag < 0):
            raise KafkaSourceError(
                f"partitions {', '.join(lost)} of topic {self._options.topic} end before what the query has read of "
                "them: the topic was made anew. Begin the query anew as well, with another checkpoint"
            )
        waiting = {p: lag for p, lag in behind.items() if lag}
        taken = waiting if max_rows is None else shared(waiting, max_rows)
        return {self._options.topic: {**begun, **{p: begun.get(p, 0) + n for p, n in taken.items()}}}

    def ranges(self, start: Offsets, end: Offsets) -> list[Range]:
        """What a batch holds, of each partition that has something. A partition that is new is read from its first
        message."""
        begun = self._mine(start)
        ranges = [Range(int(p), begun.get(p, 0), until) for p, until in sorted(self._mine(end).items())]
        return [each for each in ranges if each.first < each.until]

    def rows(self, wanted: Range) -> Iterator[Row]:
        """Messages by COLUMNS. Offsets that hold none (compaction, marks of transactions) are passed over."""
        at = wanted.first
        with self._asked() as kafka:
            self._consumer.assign([self._at(wanted.partition, at)])
            heard = time.monotonic()
            while at < wanted.until:
                for message in self._consumer.consume(min(AT_ONCE, wanted.until - at), timeout=1.0):
                    error, heard = message.error(), time.monotonic()
                    if error is not None and error.code() != kafka.KafkaError._PARTITION_EOF:
                        self._fail(kafka, error)
                    if error is not None or message.offset() >= wanted.until:
                        at = max(at, message.offset())  # at the partition's end it is the offset that comes next
                        continue
                    at = message.offset() + 1
                    yield _row(message)
                if time.monotonic() > heard + SILENCE_S:
                    raise KafkaSourceError(
                        f"topic {self._options.topic} at {self._options.servers} gave nothing for {SILENCE_S:g} s"
                        f"{self._trouble}"
                    )

    def close(self) -> None:
        """Idempotent."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    @contextlib.contextmanager
    def _asked(self) -> Iterator[Any]:
        """The client's module, with ``_consumer`` open, and its exceptions as KafkaSourceError."""
        try:
            import confluent_kafka as kafka
        except ModuleNotFoundError:
            raise KafkaSourceError(
                "reading Kafka needs confluent-kafka: add `pip install confluent-kafka` to the image of driver and "
                "executors"
            ) from None
        if self._consumer is None:
            self._consumer = self._opened(kafka)
        try:
            yield kafka
        except kafka.KafkaException as error:
            self._fail(kafka, error.args[0])

    def _opened(self, kafka: Any) -> Any:
        given = read_properties(self._options.properties) if self._options.properties else {}
        silent = logging.getLogger(f"{__name__}.librdkafka")
        silent.setLevel(logging.CRITICAL + 1)  # what goes wrong is in the error, once

        def heard(error: Any) -> None:
            if error.code() != kafka.KafkaError._ALL_BROKERS_DOWN:  # says less than what came before it
                self._trouble = f" ({error.str()})"

        own = {"bootstrap.servers": self._options.servers, "error_cb": heard}
        try:
            return kafka.Consumer({**given, **_FIXED, **own}, logger=silent)
        except kafka.KafkaException as error:
            raise SourceOptionError(
                f"Kafka's client does not take {self._options.properties}: {error.args[0].str()}"
            ) from None

    def _at(self, partition: int, offset: int = 0) -> Any:
        from confluent_kafka import TopicPartition

        return TopicPartition(self._options.topic, partition, offset)

    def _partitions(self) -> list[int]:
        from confluent_kafka import KafkaException

        found = self._consumer.list_topics(self._options.topic, timeout=ANSWER_S).topics[self._options.topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def _watermarks(self, partition: int) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(self._at(partition), timeout=ANSWER_S)
        return low, high

    def _offsets(self, found: dict[int, int]) -> Offsets:
        return {self._options.topic: {str(partition): at for partition, at in found.items()}}

    def _mine(self, offsets: Offsets) -> Positions:
        if set(offsets) - {self._options.topic}:
            raise KafkaSourceError(
                f"the checkpoint is one of topic {', '.join(sorted(offsets))}, and the query reads "
                f"{self._options.topic}: give it a checkpoint of its own"
            )
        return offsets.get(self._options.topic, {})

    def _fail(self, kafka: Any, error: Any) -> NoReturn:
        if error.code() in (kafka.KafkaError._AUTO_OFFSET_RESET, kafka.KafkaError.OFFSET_OUT_OF_RANGE):
            raise KafkaSourceError(
                f"topic {self._options.topic} does not hold all messages any more that a batch is to hold: let it keep "
                f"them for longer, or begin the query anew with another checkpoint ({error.str()})"
            ) from None
        for _ in range(_CALLBACKS):
            self._consumer.poll(0)  # they say more than the answer does: a certificate, a password
        raise KafkaSourceError(
            f"topic {self._options.topic} at {self._options.servers} cannot be read: {error.str()}{self._trouble}"
        ) from None


def _row(message: Any) -> Row:
    kind, milliseconds = message.timestamp()
    # Spark's numbers: 0 is when it was made, 1 when it was appended; -1 where it has none.
    known = kind > 0
    moment = _EPOCH + datetime.timedelta(milliseconds=milliseconds) if known else None
    return (
        message.key(),
        message.value(),
        message.topic(),
        message.partition(),
        message.offset(),
        moment,
        kind - 1,
        message.headers(),
    )


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
