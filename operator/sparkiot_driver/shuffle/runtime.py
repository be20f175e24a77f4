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
from sparkiot_tiers.errors import TierError
from sparkiot_tiers.store import WARM


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
        self.cleaner = Cleaner(
            self.stores,
            self.settings.job,
            f"r{secrets.token_hex(6)}",
            application=context.applicationId,
            clock=time.monotonic,
        )
        self._lock = threading.Lock()
        self._mark, self._marked = f"{self.cleaner.root}driver", False
        self._begun = 0
        self._open: set[int] = set()

    @property
    def mark(self) -> str | None:
        """Key of the block by which tasks tell that their warm folder is the driver's; None while it is not there."""
        return self._mark if self._marked else None

    def begin(self) -> int:
        """A new batch's number in this run."""
        self._set_mark()
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

    def _set_mark(self) -> None:
        """Once; a folder that cannot be written to now is a tier that fails, and is marked when it works."""
        failing = any(failure.tier == WARM for failure in self.stores.failures)
        if self._marked or failing or WARM not in self.stores.by_tier:
            return
        try:
            self.stores.set_mark(self._mark)
        except TierError as error:
            self.stores.failed(error)
        else:
            self._marked = True


_runtimes: list[Runtime] = []
_making = threading.Lock()


def runtime_of(spark: Any) -> Runtime:
    """The runtime of a session's context. Raises what making one raises."""
    context = spark.sparkContext
    with _making:
        for runtime in _runtimes:
            if runtime.context is context:
                return runtime
        for runtime in [runtime for runtime in _runtimes if runtime.context._jsc is None]:
            _runtimes.remove(runtime)
            runtime.close()
        made = Runtime(context)
        _runtimes.append(made)
        if len(_runtimes) == 1:
            atexit.register(close)
            LINK.at_end.append(close)
        return made


def close() -> None:
    """At the end of the process: delete what its runs have left."""
    while _runtimes:
        _runtimes.pop().close()
