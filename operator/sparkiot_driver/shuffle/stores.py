"""The tiers of this process, driver's or executor's: opened once, with what is known of their failures."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any, Callable, Collection, Mapping, NamedTuple, Sequence

from sparkiot_driver.shuffle.broken import BrokenStore
from sparkiot_driver.shuffle.requirements import MissingPackage, require
from sparkiot_tiers.config import TierConfig, open_store, parse
from sparkiot_tiers.errors import BlockMissing, TierError, TierNotShared
from sparkiot_tiers.failover import ORDER, Failover, Failure
from sparkiot_tiers.store import WARM, BlockStore, Range

CLIENTS = {"Hot": "redis", "Cold": "boto3", "Archive": "boto3"}
MARK = b"sparkiot"
NOT_SHARED = TierNotShared.__name__
REACHABLE = frozenset({NOT_SHARED, "TierFull", "BlockMissing", "BlockDamaged", "BlockArchived"})
"""Reasons of failures that do not keep one from deleting blocks."""


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
        self._shared: set[str] = set()

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

    def write(
        self, order: Sequence[str], key: str, data: Sequence[Any], mark: str | None = None
    ) -> tuple[str, list[Failed]]:
        """Write a block to the first tier that takes it: which one, and those that did not. Raises NoTierWorks.

        mark: as of ``must_be_shared``; without one a folder is believed to be shared.
        """
        failures: list[Failed] = []
        for tier in self._ranked(order):
            try:
                self.must_be_shared(tier, mark)
                self.by_tier[tier].write(key, data)
            except TierError as error:
                self.failed(error)
                failures.append(Failed(error.tier, error.reason, str(error)))
                continue
            self.worked(tier)
            return tier, failures
        raise NoTierWorks("no tier took a block: " + "; ".join(f"{f.tier}: {f.reason}: {f.message}" for f in failures))

    def set_mark(self, mark: str) -> None:
        """Put the block in the warm tier's folder by which others tell that they see the same folder.

        Raises TierError.
        """
        self.by_tier[WARM].write(mark, [MARK])

    def must_be_shared(self, tier: str, mark: str | None) -> None:
        """Raises TierNotShared where the warm tier's folder is not the driver's. mark: the key that it set there."""
        if tier != WARM or mark is None or mark in self._shared:
            return
        try:
            self.by_tier[WARM].read([Range(mark, 0, len(MARK))])
        except BlockMissing:
            raise TierNotShared(
                WARM,
                f"the warm tier's folder on {socket.gethostname()} is not the one that the driver sees: where driver "
                "and executors run on several nodes, it must be a file system that all of them share; use one, keep "
                "them on one node by their templates, or use another tier",
            ) from None
        self._shared.add(mark)

    def failed(self, error: TierError) -> None:
        """Take in a failure of a tier."""
        with self._lock:
            self._failover.failed(error, self._clock())

    def worked(self, tier: str) -> None:
        """Take in that a tier did what it was asked for."""
        with self._lock:
            self._failover.worked(tier)

    def recheck(self) -> None:
        """Check the tiers that failed and are due: one that is not wanted now would be called failing for ever."""
        now = self._clock()
        for failure in self.failures:
            if failure.retry_at <= now and failure.reason != NOT_SHARED:
                self._checked(failure.tier)

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

    @property
    def reachable(self) -> tuple[str, ...]:
        """The tiers from which blocks can be deleted, as far as is known: a full one first of all needs that."""
        away = {failure.tier for failure in self.failures if failure.reason not in REACHABLE}
        return tuple(tier for tier in self.by_tier if tier not in away)

    def _checked(self, tier: str) -> bool:
        """Whether it works, by a check where it failed last. Whether a folder is shared, only tasks can tell."""
        with self._lock:
            failure = self._failover.failure(tier)
        if failure is None or failure.reason == NOT_SHARED:
            return True
        try:
            self.by_tier[tier].check()
        except TierError as error:
            self.failed(error)
            return False
        self.worked(tier)
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
