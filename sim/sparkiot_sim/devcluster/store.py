"""Objects, one revision counter, a bounded history and the subscriptions to it.

An object lives as its JSON bytes: reading gives a fresh copy, writing serializes once, and a watch event is built
once and shared by everybody who watches. Everything here runs on one event loop without awaiting, so a read and the
write that follows are atomic.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from sparkiot_sim.devcluster.errors import Obj, expired
from sparkiot_sim.devcluster.journal import Journal

HISTORY_CHANGES = 10_000  # how far a watch can resume before it gets 410 and lists again
SUBSCRIPTION_BACKLOG = 20_000  # changes that a slow reader may be behind before it is cut off

Key = tuple[str, str]  # namespace ("" for cluster-scoped objects) and name


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one object, with what selectors and the garbage collector ask for most."""

    raw: bytes
    key: Key
    revision: int
    api_version: str
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
            revision=int(meta["resourceVersion"]),
            api_version=obj["apiVersion"],
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
    encoded: dict[Any, bytes] = field(default_factory=dict)  # event bytes, shared between watchers of the same form


class Subscription:
    """Changes of one storage that wait for one reader."""

    def __init__(self) -> None:
        self.pending: deque[Change] = deque()
        self.overflowed = False
        self._wake = asyncio.Event()

    def offer(self, change: Change) -> None:
        if len(self.pending) >= SUBSCRIPTION_BACKLOG:
            self.overflowed = True
        else:
            self.pending.append(change)
        self._wake.set()

    async def wait(self, seconds: float) -> bool:
        """True when there is something to read, False after `seconds` without."""
        if not self.pending and not self.overflowed:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                return False
        return True


class Store:
    """All objects by storage name, then by (namespace, name)."""

    def __init__(self, *, journal: Journal | None, first_revision: int, history: int = HISTORY_CHANGES) -> None:
        self.revision = first_revision
        self._objects: dict[str, dict[Key, Record]] = {}
        self._by_owner: dict[str, set[tuple[str, Key]]] = {}
        self._uids: dict[str, tuple[str, Key]] = {}
        self._history: deque[Change] = deque(maxlen=history)
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._listeners: list[Callable[[Change], None]] = []
        self._journal = journal
        if journal:
            self.revision, replayed = journal.replay(first_revision)
            for storage, obj in replayed:
                self._index(storage, Record.of(obj))
        self._forgotten = self.revision  # the newest revision that the history cannot give any more

    def get(self, storage: str, key: Key) -> Record | None:
        return self._objects.get(storage, {}).get(key)

    def records(self, storage: str, namespace: str | None = None) -> list[Record]:
        """Records ordered by namespace and name; all namespaces when `namespace` is None."""
        records = self._objects.get(storage, {})
        return [records[key] for key in sorted(records) if namespace is None or key[0] == namespace]

    def storages(self) -> Iterator[str]:
        return iter(list(self._objects))

    def exists(self, uid: str) -> bool:
        return uid in self._uids

    def find(self, uid: str) -> tuple[str, Record] | None:
        """The object with this uid, and the storage where it is."""
        place = self._uids.get(uid)
        return (place[0], self._objects[place[0]][place[1]]) if place else None

    def dependents(self, uid: str) -> list[tuple[str, Record]]:
        """Objects whose ownerReferences name `uid`."""
        return [(storage, self._objects[storage][key]) for storage, key in sorted(self._by_owner.get(uid, ()))]

    def put(self, storage: str, obj: Obj) -> Record:
        """Creates or replaces; sets the object's resourceVersion."""
        obj["metadata"]["resourceVersion"] = str(self.revision + 1)
        record = Record.of(obj)
        self.revision += 1
        before = self.get(storage, record.key)
        if self._journal:
            self._journal.put(self.revision, storage, record.raw)
        self._index(storage, record)
        self._publish(Change(storage, self.revision, record, before, removed=False))
        return record

    def remove(self, storage: str, key: Key) -> Record:
        """Takes the object out; its last version carries the revision of the removal."""
        before = self._objects[storage][key]
        last = before.load()
        last["metadata"]["resourceVersion"] = str(self.revision + 1)
        record = Record.of(last)
        self.revision += 1
        if self._journal:
            self._journal.delete(self.revision, storage, key)
        self._unindex(storage, before)
        del self._objects[storage][key]
        self._publish(Change(storage, self.revision, record, before, removed=True))
        return record

    def subscribe(self, storage: str, since: int | None) -> Subscription:
        """Everything after revision `since` (None: from now on).

        Raises ApiError 410 when the history no longer reaches back to it, or when it lies in the future: then it
        comes from another life of this server, and the client has to list again.
        """
        subscription = Subscription()
        if since is not None:
            if since < self._forgotten or since > self.revision:
                raise expired(since, self._forgotten)
            subscription.pending.extend(
                change for change in self._history if change.storage == storage and change.revision > since
            )
        self._subscriptions.setdefault(storage, set()).add(subscription)
        return subscription

    def unsubscribe(self, storage: str, subscription: Subscription) -> None:
        self._subscriptions.get(storage, set()).discard(subscription)

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Calls `listener` at once for each change, whatever its storage."""
        self._listeners.append(listener)

    def oldest_resumable(self) -> int:
        return self._forgotten

    def compact_if_due(self) -> None:
        """Rewrites the journal as a snapshot when it is mostly history."""
        if self._journal:
            count = sum(map(len, self._objects.values()))
            if self._journal.worth_compacting(count):
                self._journal.compact(
                    self.revision, ((name, rec.raw) for name, held in self._objects.items() for rec in held.values())
                )

    def close(self) -> None:
        if self._journal:
            self._journal.close()

    def _index(self, storage: str, record: Record) -> None:
        held = self._objects.setdefault(storage, {})
        if record.key in held:
            self._unindex(storage, held[record.key])
        held[record.key] = record
        self._uids[record.uid] = (storage, record.key)
        for owner in record.owners:
            self._by_owner.setdefault(owner, set()).add((storage, record.key))

    def _unindex(self, storage: str, record: Record) -> None:
        self._uids.pop(record.uid, None)
        for owner in record.owners:
            held = self._by_owner.get(owner, set())
            held.discard((storage, record.key))
            if not held:
                self._by_owner.pop(owner, None)

    def _publish(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].revision
        self._history.append(change)
        for listener in self._listeners:
            listener(change)
        for subscription in self._subscriptions.get(change.storage, ()):
            subscription.offer(change)
        self.compact_if_due()
