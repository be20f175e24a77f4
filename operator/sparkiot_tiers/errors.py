"""What goes wrong with a tier.

::

    TierError
    ├── TierUnavailable      no server answers
    ├── TierSlow             it answers too late
    ├── TierFull             no room: the server's memory or disk, or the ceiling that the job states
    ├── TierDenied           it refuses the credentials, or there are none
    ├── TierMisconfigured    the bucket or path does not exist, or the server is set up so that it would lose blocks
    ├── TierNotShared        the folder is each node's own, and tasks run on several
    ├── BlockMissing         the tier works, and the block is not there or shorter than it was
    ├── BlockDamaged         the block is there, and is not what was written
    └── BlockArchived        the block is there, and cannot be read before it was restored

A message says what is wrong, where, and what to do. It holds no credentials, so it may be shown.
"""

from __future__ import annotations

from typing import Any


class TierError(Exception):
    """A tier did not do what it was asked for. tier: its name."""

    def __init__(self, tier: str, message: str) -> None:
        super().__init__(tier, message)  # both, so that the error can be pickled: tasks send theirs to the driver
        self.tier = tier
        self.message = message

    def __str__(self) -> str:
        return self.message

    @property
    def reason(self) -> str:
        """A stable word for conditions, events and metrics."""
        return type(self).__name__


class TierUnavailable(TierError):
    """No server answers."""


class TierSlow(TierError):
    """It answers too late."""


class TierFull(TierError):
    """It has no room for the block."""


class TierDenied(TierError):
    """It refuses the credentials, or there are none."""


class TierMisconfigured(TierError):
    """The bucket or path does not exist, or the server is set up so that it would lose blocks."""


class TierNotShared(TierError):
    """The folder is not the one that the driver sees: what is written there cannot be read elsewhere."""


class BlockError(TierError):
    """The tier works; this block of it cannot be read. key: the block's."""

    def __init__(self, tier: str, key: str, message: str) -> None:
        super().__init__(tier, message)
        self.key = key

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.tier, self.key, self.message)


class BlockMissing(BlockError):
    """The block is not there, or shorter than what was asked of it."""


class BlockDamaged(BlockError):
    """The block has its length, and is not what was written."""


class BlockArchived(BlockError):
    """The block cannot be read before it was restored; that was asked for."""
