"""A micro-batch of the tiered shuffle: its tier and compression, its blocks and their end, and its repetition."""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from sparkiot_driver.shuffle.figures import Figures
from sparkiot_driver.shuffle.link import LINK
from sparkiot_driver.shuffle.lost import Lost, LostBlocks, found_in
from sparkiot_driver.shuffle.reads import taken
from sparkiot_driver.shuffle.runtime import Runtime, runtime_of
from sparkiot_driver.shuffle.stores import NOT_SHARED, ReportedError

log = logging.getLogger("sparkiot_driver.shuffle")

ATTEMPTS = 4
"""How often a batch whose blocks were lost runs altogether: once for each tier that may fail on the way."""


class Batch:
    """One micro-batch as it runs. Its exchanges ask it for names and tell it what they wrote."""

    def __init__(self, runtime: Runtime, query: str | None, number: int | None) -> None:
        """query, number: Spark's names of it, None outside of a stream. Raises NoTierWorks."""
        self.runtime, self._query, self._number = runtime, query, number
        self.wanted = LINK.wanted or runtime.settings.wanted
        self.order = runtime.stores.order(self.wanted.tier)
        self.figures = Figures(self.wanted, self.order[0])
        self._begun_at = time.monotonic()
        self._attempts = 1
        self._shunned: set[str] = set()
        self._failed_tiers: set[str] = set()
        self._exchanges: set[str] = set()
        self._broadcasts: list[Any] = []
        self._numbers = {runtime.begin()}
        self._tiers = {self.order[0]}

    def new_exchange(self) -> str:
        """What the keys of a new exchange begin with."""
        prefix = f"{self.runtime.cleaner.batch(max(self._numbers))}x{len(self._exchanges)}/"
        self._exchanges.add(prefix)
        return prefix

    def wrote(self, rows: list[Any]) -> None:
        """Take in the statuses of an exchange's blocks.

        Raises LostBlocks when some are in a folder that not all tasks see.
        """
        unshared: Lost | None = None
        for row in rows:
            self._tiers.add(row.tier)
            self.figures.wrote(
                row.tier,
                rows=row.rows,
                raw_bytes=row.raw_bytes,
                stored_bytes=row.stored_bytes,
                seconds=row.seconds,
            )
            for failure in map(Lost._make, json.loads(row.failures)):
                unshared = failure if failure.reason == NOT_SHARED else unshared
                self._failed(failure)
        if unshared is not None and any(row.tier == unshared.tier for row in rows):
            raise LostBlocks(unshared)

    def keep(self, broadcast: Any) -> Any:
        """A broadcast that shall go with the batch."""
        self._broadcasts.append(broadcast)
        return broadcast

    def again(self, lost: Lost) -> bool:
        """Whether the batch shall run once more, as blocks of it were lost; then on another tier, if there is one."""
        self._failed(lost)
        if self._attempts >= ATTEMPTS:
            return False
        self._shunned.add(lost.tier)
        self.order = self.runtime.stores.order(self.wanted.tier, self._shunned)
        self.figures.attempt(self.order[0])
        self._attempts += 1
        self._numbers.add(self.runtime.begin())
        self._tiers.add(self.order[0])
        log.warning("blocks in tier %s were lost (%s: %s): the batch runs again", *lost)
        return True

    def close(self, *, committed: bool) -> None:
        """Its blocks go; a batch that is over is reported."""
        for broadcast in self._broadcasts:
            broadcast.unpersist()
        for number in self._numbers:
            self.runtime.end(number, self._tiers)
        readings = taken(self.runtime.reads, self._exchanges)
        if committed:
            for tier in readings.by_tier.keys() - self._failed_tiers:
                self.runtime.stores.worked(tier)
        if committed and LINK.report is not None and self._exchanges:
            LINK.report(
                self.figures.message(
                    readings,
                    query=self._query,
                    number=self._number,
                    attempts=self._attempts,
                    time=time.time(),
                    seconds=time.monotonic() - self._begun_at,
                    down=[
                        {
                            "tier": f.tier,
                            "reason": f.reason,
                            "message": f.message,
                            "since": f.since,
                            "retryAt": f.retry_at,
                        }
                        for f in self.runtime.stores.failures
                    ],
                )
            )

    def _failed(self, lost: Lost) -> None:
        """However many tasks met it, it counts as one failure of its tier."""
        self.figures.failed(*lost)
        if lost.tier not in self._failed_tiers:
            self._failed_tiers.add(lost.tier)
            self.runtime.stores.failed(ReportedError(*lost))


class _Current(threading.local):
    batch: Batch | None = None


_current = _Current()


def current() -> Batch:
    """The batch that this thread works on. Raises RuntimeError outside of one."""
    if _current.batch is None:
        raise RuntimeError(
            "a tiered exchange belongs to a batch, with which its blocks go: call it in a function that `tiered(...)` "
            "wraps for foreachBatch, or within `with micro_batch(spark):`, in the thread that runs it"
        )
    return _current.batch


@contextmanager
def micro_batch(spark: Any, *, query: str | None = None, number: int | None = None) -> Iterator[Batch]:
    """A batch outside of a stream: its exchanges may be read until it ends. A block that is lost ends it with an error.

    Raises MissingPackage, ShuffleNotConfigured, NoTierWorks.
    """
    if _current.batch is not None:
        raise RuntimeError("this thread works on a batch already")
    batch = _current.batch = Batch(runtime_of(spark), query, number)
    committed = False
    try:
        yield batch
        committed = True
    finally:
        _current.batch = None
        batch.close(committed=committed)


def tiered(function: Callable[[Any, int], object]) -> Callable[[Any, int], None]:
    """``foreachBatch(tiered(function))``: each call is one batch of the tiered shuffle.

    The function is called again when blocks that it wrote cannot be read, as Spark calls it again for a batch that
    failed: it must bear that, by overwriting what it wrote for that batch number.
    """

    @functools.wraps(function)
    def run(rows: Any, number: int) -> None:
        spark = rows.sparkSession
        query = spark.sparkContext.getLocalProperty("sql.streaming.queryId")
        with micro_batch(spark, query=query, number=number) as batch:
            while not _attempt(batch, lambda: function(rows, number)):
                pass

    return run


def _attempt(batch: Batch, call: Callable[[], object]) -> bool:
    """Whether it went through; False when it shall be tried again."""
    try:
        call()
    except Exception as error:
        lost = found_in(error)
        if lost is None or not batch.again(lost):
            raise
        return False
    return True
