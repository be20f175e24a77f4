"""The tiers of this process, driver's or executor's: opened once, with what is known of their failures."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Callable, Collection, Mapping, NamedTuple, Sequence

from sparkiot_driver.shuffle.broken import BrokenStore
from sparkiot_driver.shuffle.requirements import MissingPackage, require
from sparkiot_tiers.config import TierConfig, open_store, parse
from sparkiot_tiers.errors import TierError
from sparkiot_tiers.failover import ORDER, Failover, Failure
from sparkiot_tiers.store import BlockStore

CLIENTS = {"Hot": "redis", "Cold": "boto3", "Archive": "boto3"}


class NoTierWorks(Exception):  # noqa: N818 - the name says it
    """No tier takes a block; the message names each with its reason."""


class Failed(NamedTuple):
    """A tier that failed, as it goes from a task to the driver."""

    tier: str
    reason: str
    message: str


class ReportedError(TierError):
    """A failure that a task met and told of."""

    def __init__(self, tier: str, reason: str, message: str) -> None:
        super().__init__(tier, message)
        self._reason = reason

    @property
    def reason(self) -> str:
        return self._reason


class Stores:
    """May be used by several threads. clock: seconds since the epoch."""

    def __init__(self, stores: Mapping[str, BlockStore], clock: Callable[[], float] = time.time) -> None:
        self.by_tier = stores
        self._clock = clock
        self._failover = Failover(list(stores))
        self._lock = threading.Lock()

    def order(self, wanted: str, shunned: Collection[str] = ()) -> list[str]:
        """The tiers to write to: the wanted one or the next that works, then those that may stand in for it.

        shunned: tiers that failed in this batch already; they come after all others. A tier that failed before is
        checked before it is put first; one that is not to be tried again yet is tried when nothing else is left.
        Raises NoTierWorks.
        """
        ranked = self._ranked(ORDER[wanted], shunned)
        for place, tier in enumerate(ranked):
            if self._checked(tier):
                return ranked[place:]
        raise NoTierWorks("no tier works: " + "; ".join(f"{f.tier}: {f.reason}: {f.message}" for f in self.failures))

    def write(self, order: Sequence[str], key: str, data: Sequence[Any]) -> tuple[str, list[Failed]]:
        """Write a block to the first tier that takes it: which one, and those that did not. Raises NoTierWorks."""
        failures: list[Failed] = []
        for tier in self._ranked(order):
            try:
                self.by_tier[tier].write(key, data)
            except TierError as error:
                self.failed(error)
                failures.append(Failed(error.tier, error.reason, str(error)))
                continue
            with self._lock:
                self._failover.worked(tier)
            return tier, failures
        raise NoTierWorks("no tier took a block: " + "; ".join(f"{f.tier}: {f.reason}: {f.message}" for f in failures))

    def failed(self, error: TierError) -> None:
        with self._lock:
            self._failover.failed(error, self._clock())

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The tiers that failed and have not worked since."""
        with self._lock:
            return self._failover.failures

    def _ranked(self, order: Sequence[str], shunned: Collection[str] = ()) -> list[str]:
        """The tiers that there are: those that are due first, the shunned after them, those that failed last."""
        now = self._clock()
        waiting = {failure.tier for failure in self.failures if failure.retry_at > now}
        return sorted(
            (tier for tier in order if tier in self.by_tier), key=lambda tier: (tier in waiting, tier in shunned)
        )

    def _checked(self, tier: str) -> bool:
        with self._lock:
            doubtful = self._failover.must_check(tier)
        if not doubtful:
            return True
        try:
            self.by_tier[tier].check()
        except TierError as error:
            self.failed(error)
            return False
        with self._lock:
            self._failover.worked(tier)
        return True


_opened: dict[str, Stores] = {}
_opening = threading.Lock()


def open_stores(document: Mapping[str, Any]) -> Stores:
    """The tiers of a document, once a process. Raises InvalidTiers."""
    text = json.dumps(document, sort_keys=True)
    with _opening:
        if text not in _opened:
            _opened[text] = Stores({config.tier: _open(config) for config in parse(document)})
        return _opened[text]


def _open(config: TierConfig) -> BlockStore:
    try:
        require([CLIENTS[config.tier]] if config.tier in CLIENTS else [])
        return open_store(config)
    except MissingPackage as error:
        return BrokenStore(ReportedError(config.tier, "MissingPackage", str(error)))
    except TierError as error:
        return BrokenStore(error)
