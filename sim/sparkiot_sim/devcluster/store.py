"""Objects, one revision counter, a bounded history for watches, and a SQLite file when they shall survive.

An object lives as its JSON bytes: reading gives a fresh copy. Everything here runs on one event loop without awaiting,
so a read and the write that follows are atomic. A commit survives `kill -9`; it is not synced to the disk one by one,
so the last ones may be lost with the machine's power.
"""

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sparkiot_sim.devcluster.errors import ClusterDataError, Obj, expired

HISTORY_CHANGES = 10_000  # how far a watch can resume or fall behind before it gets 410 and lists again
FILE = "objects.sqlite"

Key = tuple[str, str]  # namespace ("" for cluster-scoped objects) and name


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one object, with what selectors and the garbage collector ask for most."""

    raw: bytes
    key: Key
    uid: str
    labels: dict[str, str]
    owners: tuple[str, ...]
    deleting: bool

    @staticmethod
    def of(obj: Obj) -> "Record":
        meta = obj["metadata"]
        return Record(
            raw=orjson.dumps(obj),
            key=(meta.get("namespace") or "", meta["name"]),
            uid=meta["uid"],
            labels=meta.get("labels") or {},
            owners=tuple(owner["uid"] for owner in meta.get("ownerReferences") or ()),
            deleting="deletionTimestamp" in meta,
        )

    def load(self) -> Any:
        """A fresh copy that the caller may change."""
        return orjson.loads(self.raw)


@dataclass(frozen=True, slots=True)
class Change:
    """One write: `before` is None for a creation, `removed` says that `record` is the last state of the object."""

    storage: str
    revision: int
    record: Record
    before: Record | None
    removed: bool


class Store:
    """All objects by storage name, then by (namespace, name); in `folder` too, unless it is None.

    Raises ClusterDataError when the folder is damaged or another embedded cluster uses it.
    """

    def __init__(self, folder: Path | None, *, first_revision: int, history: int = HISTORY_CHANGES) -> None:
        self.revision = first_revision
        self._objects: dict[str, dict[Key, Record]] = {}
        self._history: deque[Change] = deque(maxlen=history)
        self._news = asyncio.Event()
        self._database = _open(folder) if folder else None
        if self._database:
            self.revision = next(self._database.execute("SELECT number FROM revision"), (first_revision,))[0]
            for storage, raw in self._database.execute("SELECT storage, object FROM objects"):
                record = Record.of(orjson.loads(raw))
                self._objects.setdefault(storage, {})[record.key] = record
        self._forgotten = self.revision  # the newest revision that the history cannot give any more

    def get(self, storage: str, key: Key) -> Record | None:
        return self._objects.get(storage, {}).get(key)

    def records(self, storage: str, namespace: str | None = None) -> list[Record]:
        """Records ordered by namespace and name; all namespaces when `namespace` is None."""
        records = self._objects.get(storage, {})
        return [records[key] for key in sorted(records) if namespace is None or key[0] == namespace]

    def all(self) -> Iterator[tuple[str, Record]]:
        """Every record with its storage."""
        for storage in list(self._objects):
            for record in self.records(storage):
                yield storage, record

    def put(self, storage: str, obj: Obj) -> None:
        """Creates or replaces; sets the object's resourceVersion."""
        obj["metadata"]["resourceVersion"] = str(self.revision + 1)
        record = Record.of(obj)
        before = self.get(storage, record.key)
        self._save("REPLACE INTO objects VALUES (?, ?, ?, ?)", (storage, *record.key, record.raw))
        self._objects.setdefault(storage, {})[record.key] = record
        self._publish(Change(storage, self.revision + 1, record, before, removed=False))

    def remove(self, storage: str, key: Key) -> None:
        """Takes the object out; its last version carries the revision of the removal."""
        before = self._objects[storage][key]
        last = before.load()
        last["metadata"]["resourceVersion"] = str(self.revision + 1)
        self._save("DELETE FROM objects WHERE storage = ? AND namespace = ? AND name = ?", (storage, *key))
        del self._objects[storage][key]
        self._publish(Change(storage, self.revision + 1, Record.of(last), before, removed=True))

    def changes(self, since: int, storage: str | None = None) -> list[Change]:
        """What happened after revision `since`, oldest first.

        Raises ApiError 410 when the history no longer reaches back to it, or when it lies in the future: then it
        comes from another life of this server, and the client has to list again.
        """
        if since < self._forgotten or since > self.revision:
            raise expired(since, self._forgotten)
        newer: deque[Change] = deque()
        for change in reversed(self._history):
            if change.revision <= since:
                break
            if storage in (None, change.storage):
                newer.appendleft(change)
        return list(newer)

    async def wait(self, seconds: float | None = None) -> None:
        """Until the next change, or `seconds` have passed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    def close(self) -> None:
        if self._database:
            self._database.close()

    def _save(self, statement: str, values: tuple[Any, ...]) -> None:
        if self._database:
            with self._database:
                self._database.execute(statement, values)
                self._database.execute("REPLACE INTO revision VALUES (0, ?)", (self.revision + 1,))

    def _publish(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].revision
        self.revision = change.revision
        self._history.append(change)
        self._news.set()
        self._news = asyncio.Event()


def _open(folder: Path) -> sqlite3.Connection:
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(path, timeout=0)
        # Exclusive locking keeps a second server out for as long as this one runs.
        database.executescript(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; BEGIN EXCLUSIVE;"
            "CREATE TABLE IF NOT EXISTS revision (id INTEGER PRIMARY KEY, number INTEGER);"
            "CREATE TABLE IF NOT EXISTS objects (storage TEXT, namespace TEXT, name TEXT, object BLOB,"
            " PRIMARY KEY (storage, namespace, name)); COMMIT"
        )
    except (OSError, sqlite3.Error) as error:
        if "locked" in str(error):
            raise ClusterDataError(
                f"the data folder {folder} is in use by another embedded cluster: stop that one or take another folder"
            ) from error
        raise ClusterDataError(
            f"cannot use {path}: {error}; repair it with the sqlite3 command, or move it away to start empty"
        ) from error
    return database
