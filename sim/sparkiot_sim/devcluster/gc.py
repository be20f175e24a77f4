"""The garbage collector: dependents of what is gone, and whatever deletion still has to wait for."""

from sparkiot_sim.devcluster.api import FOREGROUND, ORPHAN, Api
from sparkiot_sim.devcluster.errors import ApiError, Obj
from sparkiot_sim.devcluster.registry import CLEANUP
from sparkiot_sim.devcluster.resources import CRDS, NAMESPACES
from sparkiot_sim.devcluster.store import Change, Record


async def collect(api: Api) -> None:
    """Sweeps at the start, since a stop may have interrupted deletions, and after each change that bears on it."""
    due = True
    while True:
        seen = api.store.revision
        if due:
            sweep(api)
        else:
            await api.store.wait()
        try:
            due = any(map(_bears, api.store.changes(seen)))
        except ApiError:  # more happened than the history holds
            due = True


def _bears(change: Change) -> bool:
    owners = change.before.owners if change.before else ()
    return change.removed or change.record.deleting or change.record.owners != owners


def sweep(api: Api) -> None:
    """Deletes what lost its last owner, and takes each deletion in progress one step on."""
    living = {record.uid for _, record in api.store.all()}
    for storage, record in list(api.store.all()):
        if record.deleting:
            _advance(api, storage, record)
        elif record.owners and not living.intersection(record.owners):
            _delete(api, storage, record, "Background")


def _advance(api: Api, storage: str, record: Record) -> None:
    obj = record.load()
    finalizers = obj["metadata"].get("finalizers") or []
    if storage == NAMESPACES:
        inside = [(place, rec) for place, rec in api.store.all() if rec.key[0] == record.key[1]]
        if not _delete_all(api, inside, "Background"):
            obj["spec"]["finalizers"] = []
            api.finish(storage, obj)
    elif storage == CRDS and CLEANUP in finalizers:
        place = f"{obj['spec']['group']}/{obj['spec']['names']['plural']}"
        if not _delete_all(api, [(place, rec) for rec in api.store.records(place)], "Background"):
            _drop_finalizer(api, storage, obj, CLEANUP)
    elif FOREGROUND in finalizers:
        if not _delete_all(api, _dependents(api, record), "Foreground"):
            _drop_finalizer(api, storage, obj, FOREGROUND)
    elif ORPHAN in finalizers:
        for place, dependent in _dependents(api, record):
            orphan = dependent.load()
            owners = orphan["metadata"].pop("ownerReferences")
            if others := [owner for owner in owners if owner["uid"] != record.uid]:
                orphan["metadata"]["ownerReferences"] = others
            api.finish(place, orphan)
        _drop_finalizer(api, storage, obj, ORPHAN)


def _dependents(api: Api, owner: Record) -> list[tuple[str, Record]]:
    return [(storage, record) for storage, record in api.store.all() if owner.uid in record.owners]


def _delete_all(api: Api, held: list[tuple[str, Record]], policy: str) -> bool:
    """Deletes these objects; true while finalizers hold some."""
    for storage, record in held:
        if not record.deleting:
            _delete(api, storage, record, policy)
    return any(api.store.get(storage, record.key) for storage, record in held)


def _delete(api: Api, storage: str, record: Record, policy: str) -> None:
    resource = api.registry.by_storage(storage)
    if resource and api.store.get(storage, record.key):
        api.delete(resource, record.key, {"propagationPolicy": policy})


def _drop_finalizer(api: Api, storage: str, obj: Obj, name: str) -> None:
    obj["metadata"]["finalizers"].remove(name)
    api.finish(storage, obj)
