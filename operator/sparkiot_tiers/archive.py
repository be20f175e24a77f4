"""The archive tier: objects of an archive class of S3, most of which must be restored before they can be read.

Of the classes GLACIER and DEEP_ARCHIVE, S3 refuses to read an object that is not restored (``InvalidObjectState``); a
restore takes minutes to two days. So a block there is not one that a running batch can read: the reader is told so
(BlockArchived), the restore is asked for once, and a copy whose restore goes on is not read either. Blocks of the class
GLACIER_IR are read at once. Source: Amazon S3 API Reference, RestoreObject and GetObject (``x-amz-restore``).
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from sparkiot_tiers.cold import Bucket, ColdStore, Credentials
from sparkiot_tiers.errors import BlockArchived, TierError
from sparkiot_tiers.store import ARCHIVE, Buffer, Range, probe

AT_ONCE = "GLACIER_IR"
"""Glacier Instant Retrieval."""
CLASSES = (AT_ONCE, "GLACIER", "DEEP_ARCHIVE")
RESTORED_DAYS = 1
"""How long a restored copy stays: a batch that is run again reads it within hours, and each day costs."""
RETRIEVAL = "Standard"
"""Both classes that must be restored offer it: 3 to 12 hours."""


class ArchiveStore(ColdStore):
    """storage_class: one of CLASSES."""

    tier = ARCHIVE

    def __init__(
        self,
        bucket: Bucket,
        credentials: Credentials | None = None,
        *,
        storage_class: str = AT_ONCE,
        timeout_seconds: float = 10.0,
    ) -> None:
        super().__init__(bucket, credentials, timeout_seconds=timeout_seconds)
        self._class = storage_class
        self._extra = {"StorageClass": storage_class}
        self._asking = Lock()
        self._asked: set[str] = set()

    @property
    def reads_at_once(self) -> bool:
        """Whether a block can be read by the batch that wrote it."""
        return self._class == AT_ONCE

    def check(self) -> None:
        self._must_exist()
        probe(self, read=self.reads_at_once)

    def _read_piece(self, piece: Range) -> Buffer:
        try:
            return super()._read_piece(piece)
        except BlockArchived as error:
            self._restore(piece.key, error)
            raise

    def _readable(self, key: str, answer: dict[str, Any]) -> None:
        if 'ongoing-request="true"' in answer.get("Restore", ""):
            answer["Body"].close()
            raise BlockArchived(self.tier, key, f"block {key} in {self._bucket} is being restored; read it later")

    def _restore(self, key: str, refused: BlockArchived) -> None:
        with self._asking:  # several ranges of a block are read at once
            if key in self._asked:
                return
            self._asked.add(key)
        wanted = {"Days": RESTORED_DAYS, "GlacierJobParameters": {"Tier": RETRIEVAL}}

        def act(opened: Any) -> None:
            opened.client.restore_object(Bucket=self._bucket.name, Key=self._name(key), RestoreRequest=wanted)

        try:
            self._do(act, key)
        except BlockArchived:
            pass  # it is being restored already
        except TierError as error:
            self._asked.discard(key)
            raise BlockArchived(self.tier, key, f"{refused}; asking for that failed: {error}") from error
