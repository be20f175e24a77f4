"""The sources as Spark's Python data sources: thin, as what they do is told in ``landing`` and ``kafka``.

Imported with Spark 4.2 or later only. Spark makes a reader in a process beside the driver, keeps it there for a
stream's offsets, and sends another one to the executors with each task.
"""

from __future__ import annotations

import re
import time
from typing import Any, Iterator

from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.datasource import (
    ReadAllAvailable,
    ReadMaxBytes,
    ReadMaxRows,
    SupportsTriggerAvailableNow,
)

from sparkiot_driver.sources import kafka, landing, options
from sparkiot_driver.sources.options import SourceOptionError
from sparkiot_driver.sources.places import open_place
from sparkiot_driver.sources.positions import Positions, packed

# pyspark is not followed by mypy, as the types of its releases differ: its classes are Any there.


class LandingFormat(DataSource):  # type: ignore[misc] # see above
    """``sparkiot-landing``: files of an edge gateway in a folder or S3."""

    @classmethod
    def name(cls) -> str:
        return "sparkiot-landing"

    def schema(self) -> str:
        return landing.COLUMNS

    def reader(self, schema: Any) -> LandingBatch:
        _fixed(schema, landing.COLUMNS)
        return LandingBatch(options.landing(self.options))

    def streamReader(self, schema: Any) -> LandingStream:  # noqa: N802 - Spark's name
        _fixed(schema, landing.COLUMNS)
        return LandingStream(options.landing(self.options))


class _LandingReader:
    def __init__(self, given: options.LandingOptions) -> None:
        self._options = given
        self._opened: landing.Landing | None = None

    def read(self, partition: Any) -> Iterator[Any]:
        place = open_place(self._options.path)
        for path in partition.value:
            yield from landing.rows(place, path)

    def _landing(self) -> landing.Landing:
        if self._opened is None:
            self._opened = landing.Landing(open_place(self._options.path), wall=time.time, steady=time.monotonic)
        return self._opened

    def _split(self, start: Positions, end: Positions) -> list[Any]:
        groups = packed(self._landing().files(start, end), self._options.tasks)
        return [InputPartition([file.key for file in group]) for group in groups]


class LandingBatch(_LandingReader, DataSourceReader):  # type: ignore[misc] # see above
    """All that is there when the query begins."""

    def partitions(self) -> list[Any]:
        return self._split({}, self._landing().head({})) or [InputPartition([])]


class LandingStream(_LandingReader, DataSourceStreamReader, SupportsTriggerAvailableNow):  # type: ignore[misc] # see above
    def __init__(self, given: options.LandingOptions) -> None:
        super().__init__(given)
        self._ends = False
        self._target: Positions | None = None

    def initialOffset(self) -> Positions:  # noqa: N802 - Spark's names, here and below
        return {}

    def getDefaultReadLimit(self) -> Any:  # noqa: N802
        return ReadMaxBytes(self._options.max_bytes)

    def latestOffset(self, start: Positions, limit: Any) -> Positions:  # noqa: N802
        bound = None if isinstance(limit, ReadAllAvailable) else self._options.max_bytes
        if self._ends and self._target is None:
            self._target = self._landing().head(start)
        return self._landing().end(start, bound, target=self._target)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        self._ends = True

    def partitions(self, start: Positions, end: Positions) -> list[Any]:
        return self._split(start, end)


class KafkaFormat(DataSource):  # type: ignore[misc] # see above
    """``sparkiot-kafka``: a topic."""

    @classmethod
    def name(cls) -> str:
        return "sparkiot-kafka"

    def schema(self) -> str:
        return kafka.COLUMNS

    def reader(self, schema: Any) -> KafkaBatch:
        _fixed(schema, kafka.COLUMNS)
        return KafkaBatch(options.kafka(self.options))

    def streamReader(self, schema: Any) -> KafkaStream:  # noqa: N802 - Spark's name
        _fixed(schema, kafka.COLUMNS)
        return KafkaStream(options.kafka(self.options))


class _KafkaReader:
    def __init__(self, given: options.KafkaOptions) -> None:
        self._options = given
        self._opened: kafka.Topic | None = None

    def read(self, partition: Any) -> Iterator[Any]:
        topic = kafka.Topic(self._options)
        try:
            yield from topic.rows(partition.value)
        finally:
            topic.close()

    def _topic(self) -> kafka.Topic:
        if self._opened is None:
            self._opened = kafka.Topic(self._options)
        return self._opened

    def stop(self) -> None:
        if self._opened is not None:
            self._opened.close()


class KafkaBatch(_KafkaReader, DataSourceReader):  # type: ignore[misc] # see above
    """All that is there when the query begins."""

    def partitions(self) -> list[Any]:
        topic = self._topic()
        try:
            ranges = topic.ranges(topic.begin(), topic.head())
        finally:
            self.stop()
        return [InputPartition(each) for each in ranges or [kafka.Range(0, 0, 0)]]


class KafkaStream(_KafkaReader, DataSourceStreamReader, SupportsTriggerAvailableNow):  # type: ignore[misc] # see above
    def __init__(self, given: options.KafkaOptions) -> None:
        super().__init__(given)
        self._target: kafka.Offsets | None = None

    def initialOffset(self) -> kafka.Offsets:  # noqa: N802 - Spark's names, here and below
        return self._topic().begin()

    def getDefaultReadLimit(self) -> Any:  # noqa: N802
        return ReadMaxRows(self._options.max_rows)

    def latestOffset(self, start: kafka.Offsets, limit: Any) -> kafka.Offsets:  # noqa: N802
        bound = None if isinstance(limit, ReadAllAvailable) else self._options.max_rows
        return self._topic().end(start, bound, target=self._target)

    def reportLatestOffset(self) -> kafka.Offsets | None:  # noqa: N802
        return self._topic().seen

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        self._target = self._topic().head()

    def partitions(self, start: kafka.Offsets, end: kafka.Offsets) -> list[Any]:
        return [InputPartition(each) for each in self._topic().ranges(start, end)]


def _fixed(schema: Any, columns: str) -> None:
    """Raises SourceOptionError for other columns than a source's own."""
    own = re.findall(r"(?:^|, )(\w+) (?=[A-Z])", columns)
    if schema.fieldNames() != own:
        raise SourceOptionError(f"the columns are {', '.join(own)}, as they come: leave schema() out, and select")
