"""The tiered shuffle of one SparkContext: its tiers, its run, what was read, and who deletes."""

# ruff: noqa: SLF001 - pyspark offers no other way to its JVM
from __future__ import annotations

import atexit
import os
import secrets
import threading
import time
from typing import Any

from sparkiot_driver.shuffle import settings
from sparkiot_driver.shuffle.cleaner import Cleaner
from sparkiot_driver.shuffle.link import LINK
from sparkiot_driver.shuffle.reads import Merged
from sparkiot_driver.shuffle.requirements import MissingPackage, require
from sparkiot_driver.shuffle.ship import ship
from sparkiot_driver.shuffle.stores import open_stores


def unusable() -> str | None:
    """Why this program cannot use the tiered shuffle; None when it can. For programs that do with Spark's own then."""
    try:
        settings.load(os.environ)
        require()
    except (MissingPackage, settings.ShuffleNotConfigured) as error:
        return str(error)
    return None


class Runtime:
    """Made once a SparkContext; its batches are numbered over all queries."""

    def __init__(self, context: Any) -> None:
        """Raises MissingPackage, ShuffleNotConfigured, ValueError, OSError."""
        require()
        self.settings = settings.load(os.environ)
        self.stores = open_stores(self.settings.tiers)
        self.context = context
        ship(context)
        self.reads = context.accumulator({}, Merged())
        self.cleaner = Cleaner(self.stores, self.settings.job, f"r{secrets.token_hex(6)}", time.monotonic)
        self._lock = threading.Lock()
        self._begun = 0
        self._open: set[int] = set()

    def begin(self) -> int:
        """A new batch's number in this run."""
        with self._lock:
            self._begun += 1
            self._open.add(self._begun)
            return self._begun

    def end(self, number: int, tiers: set[str]) -> None:
        """The batch is over; what it wrote to these tiers goes."""
        with self._lock:
            self._open.discard(number)
            oldest = min(self._open, default=self._begun + 1)
        self.cleaner.committed(number, tiers, oldest)

    def close(self) -> None:
        """Delete all that this run has left."""
        self.cleaner.close()


_runtimes: list[Runtime] = []
_making = threading.Lock()


def runtime_of(spark: Any) -> Runtime:
    """The runtime of a session's context. Raises what making one raises."""
    context = spark.sparkContext
    with _making:
        for runtime in _runtimes:
            if runtime.context is context:
                return runtime
        made = Runtime(context)
        _runtimes[:] = [runtime for runtime in _runtimes if runtime.context._jsc is not None] + [made]
        if len(_runtimes) == 1:
            atexit.register(close)
            LINK.at_end.append(close)
        return made


def close() -> None:
    """At the end of the process: delete what its runs have left."""
    while _runtimes:
        _runtimes.pop().close()
