"""The garbage collector: dependents of what is gone, and whatever deletion still has to wait for.

It looks at an object when something about it, its owner, its dependents, its namespace or its CRD changed; there is no
periodic sweep, because nothing changes behind the store's back.
"""

import asyncio
from collections import deque

from sparkiot_sim.devcluster.api import FOREGROUND, ORPHAN, Api
from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.devcluster.registry import CLEANUP
from sparkiot_sim.devcluster.resources import CRDS, NAMESPACES, Resource
from sparkiot_sim.devcluster.store import Change, Key, Record


class Collector:
    """Follows the store of `api`; `run` works off what it has seen until cancelled."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._store = api.store
        self._queue: deque[tuple[str, Key]] = deque()
        self._wake = asyncio.Event()
        self._store.listen(self._follow)
        for storage in self._store.storages():  # deletions that a stop interrupted
            for record in self._store.records(storage):
                if record.deleting or record.owners:
                    self._enqueue(storage, record.key)

    async def run(self) -> None:
        while True:
            while self._queue:
                self._examine(*self._queue.popleft())
                await asyncio.sleep(0)  # a large cascade must not starve requests
            self._wake.clear()
            await self._wake.wait()

    def _enqueue(self, storage: str, key: Key) -> None:
        self._queue.append((storage, key))
        self._wake.set()

    def _follow(self, change: Change) -> None:
        record = change.record
        if change.removed:
            for storage, dependent in self._store.dependents(record.uid):
                self._enqueue(storage, dependent.key)
            for owner in record.owners:
                found = self._store.find(owner)
                if found and found[1].deleting:
                    self._enqueue(found[0], found[1].key)
            if record.key[0]:
                self._enqueue(NAMESPACES, ("", record.key[0]))
            group, _, plural = change.storage.partition("/")
            self._enqueue(CRDS, ("", f"{plural}.{group}"))
        elif record.deleting or (record.owners and (change.before is None or change.before.owners != record.owners)):
            self._enqueue(change.storage, record.key)

    def _examine(self, storage: str, key: Key) -> None:
        record = self._store.get(storage, key)
        resource = self._api.registry.by_storage(storage)
        if record is None or resource is None:
            return
        if not record.deleting:
            if record.owners and not any(map(self._store.exists, record.owners)):
                self._api.delete(resource, key, {"propagationPolicy": "Background"})
            return
        obj = record.load()
        finalizers = obj["metadata"].get("finalizers") or []
        if storage == NAMESPACES:
            self._empty_namespace(obj)
        elif CLEANUP in finalizers and storage == CRDS:
            self._empty_crd(obj)
        elif ORPHAN in finalizers:
            for owner, dependent in self._store.dependents(record.uid):
                self._release(owner, dependent, record.uid)
            self._drop_finalizer(storage, obj, ORPHAN)
        elif FOREGROUND in finalizers and not self._blocked(record):
            self._drop_finalizer(storage, obj, FOREGROUND)

    def _blocked(self, record: Record) -> bool:
        """Deletes the dependents of `record`; true while one that blocks its deletion is still there."""
        blocked = False
        for storage, dependent in self._store.dependents(record.uid):
            others = [uid for uid in dependent.owners if uid != record.uid and self._store.exists(uid)]
            resource = self._api.registry.by_storage(storage)
            if others:
                self._release(storage, dependent, record.uid)
            elif resource:
                if not dependent.deleting:
                    self._api.delete(resource, dependent.key, {"propagationPolicy": "Foreground"})
                left = self._store.get(storage, dependent.key)
                references = left.load()["metadata"]["ownerReferences"] if left else []
                blocked |= any(ref["uid"] == record.uid and ref.get("blockOwnerDeletion") for ref in references)
        return blocked

    def _release(self, storage: str, dependent: Record, uid: str) -> None:
        obj = dependent.load()
        meta = obj["metadata"]
        meta["ownerReferences"] = [ref for ref in meta["ownerReferences"] if ref["uid"] != uid]
        if not meta["ownerReferences"]:
            del meta["ownerReferences"]
        self._api.finish(storage, obj)

    def _drop_finalizer(self, storage: str, obj: Obj, name: str) -> None:
        meta = obj["metadata"]
        meta["finalizers"] = [finalizer for finalizer in meta["finalizers"] if finalizer != name]
        if not meta["finalizers"]:
            del meta["finalizers"]
        self._api.finish(storage, obj)

    def _empty_namespace(self, namespace: Obj) -> None:
        name = namespace["metadata"]["name"]
        namespaced = {res.storage: res for res in self._api.registry.all() if res.namespaced}
        held = [self._delete_all(resource, name) for resource in namespaced.values()]
        if not any(held):
            namespace["spec"]["finalizers"] = []
            self._api.finish(NAMESPACES, namespace)

    def _empty_crd(self, crd: Obj) -> None:
        spec = crd["spec"]
        resource = self._api.registry.by_storage(f"{spec['group']}/{spec['names']['plural']}")
        if resource is None or not self._delete_all(resource, None):
            self._drop_finalizer(CRDS, crd, CLEANUP)

    def _delete_all(self, resource: Resource, namespace: str | None) -> bool:
        """Deletes all objects there; true while finalizers hold some."""
        for record in self._store.records(resource.storage, namespace):
            if not record.deleting:
                self._api.delete(resource, record.key, {})
        return bool(self._store.records(resource.storage, namespace))
