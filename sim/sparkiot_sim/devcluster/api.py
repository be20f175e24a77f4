"""The verbs of the API on resources: pure of HTTP, synchronous, one call one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sparkiot_sim.devcluster import admission, errors, managed, patches, pods, quota, scale
from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.resources import CRDS, FIRST_NAMESPACES, NAMESPACES, SERVICE_ACCOUNTS, Resource
from sparkiot_sim.devcluster.selectors import field_test, label_test
from sparkiot_sim.devcluster.store import Key, Record, Store

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a list, a watch or a deletecollection looks at; namespace None means all of them."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    def test(self, resource: Resource) -> Callable[[Record], bool]:
        """Raises ApiError 400 for a selector that cannot be parsed."""
        by_label = label_test(self.labels)
        by_field = field_test(self.fields, resource.selectable_fields) if self.fields else None

        def matches(record: Record) -> bool:
            if self.namespace not in (None, record.key[0]) or not by_label(record.labels):
                return False
            return by_field is None or by_field(record.load())

        return matches


class Api:
    """Reads and writes of one server. `clock` gives the current time, for timestamps.

    node: the agent that runs pods, None while there is none; with one, a deleted pod stays until it has ended.
    """

    node: pods.Node | None = None

    def __init__(self, *, store: Store, registry: Registry, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.registry = registry
        self.time = clock

    def now(self, later: int = 0) -> str:
        """The time, `later` seconds from now, as objects hold it."""
        return (self.time() + timedelta(seconds=later)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    # Reads

    def get(self, resource: Resource, key: Key, subresource: str = "") -> Obj:
        obj = resource.view(self._require(resource, key).load())
        return scale.read(resource, obj) if subresource == "scale" else obj

    def select(self, resource: Resource, selection: Selection) -> list[Record]:
        """Matching records by namespace and name. Lists come in one piece: `limit` is allowed to be ignored."""
        return list(filter(selection.test(resource), self.store.records(resource.storage, selection.namespace)))

    # Writes

    def create(self, resource: Resource, namespace: str, body: Any, options: WriteOptions) -> Obj:
        admission.check_identity(resource, namespace, None, body)
        return self._insert(resource, body, options, managed_by=_manager(resource, options, "Update", ""))

    def update(self, resource: Resource, key: Key, subresource: str, body: Any, options: WriteOptions) -> Obj:
        before = self.get(resource, key)
        if subresource == "scale":
            after = self.get(resource, key)
            scale.write(resource, after, body)
        else:
            admission.check_identity(resource, key[0], key[1], body)
            after = body
        who = _manager(resource, options, "Update", subresource)
        result = self._replace(resource, before, after, subresource, options, managed_by=who)
        return scale.read(resource, result) if subresource == "scale" else result

    def patch(
        self, resource: Resource, key: Key, subresource: str, patch: Any, options: WriteOptions, *, content_type: str
    ) -> tuple[Obj, bool]:
        """The object after the patch, and whether server-side apply created it."""
        accepted = [patches.JSON_PATCH, patches.MERGE_PATCH]
        accepted += [] if subresource == "scale" else [patches.APPLY_PATCH]
        accepted += [] if resource.custom else [patches.STRATEGIC_PATCH]
        if content_type not in accepted:
            raise errors.unsupported_media_type(content_type, accepted)
        if content_type == patches.APPLY_PATCH:
            return self._apply(resource, key, subresource, patch, options)
        start = self.get(resource, key, subresource)
        if content_type == patches.JSON_PATCH:
            after = patches.json_patch(start, patch)
        elif not isinstance(patch, dict):
            raise errors.bad_request("the patch is not a JSON object")
        elif content_type == patches.MERGE_PATCH:
            after = patches.merge_patch(start, patch)
        else:
            after = patches.strategic_merge(start, patch)
        return self.update(resource, key, subresource, after, options), False

    def _apply(
        self, resource: Resource, key: Key, subresource: str, config: Any, options: WriteOptions
    ) -> tuple[Obj, bool]:
        admission.check_identity(resource, key[0], key[1], config)
        if "managedFields" in config["metadata"]:
            raise errors.bad_request("metadata.managedFields must be nil")
        admission.drop_unknown(resource, config, options)
        who = _manager(resource, options, "Apply", subresource)
        sent_revision = config["metadata"].pop("resourceVersion", None)
        if subresource == "status":
            kept = {name: config["metadata"][name] for name in ("name", "namespace") if name in config["metadata"]}
            config = {"metadata": kept, "status": config.get("status") or {}}
        elif resource.has_status:
            config.pop("status", None)
        record = self.store.get(resource.storage, key)
        if record is None and not subresource:
            created = managed.apply(_shape(resource), {}, config, who, force=True, now=self.now())
            return self._insert(resource, created, options, managed_by=None), True
        before = self.get(resource, key)
        live = self.get(resource, key)
        after = managed.apply(_shape(resource), live, config, who, force=options.force, now=self.now())
        after["metadata"]["resourceVersion"] = sent_revision or before["metadata"]["resourceVersion"]
        return self._replace(resource, before, after, subresource, options, managed_by=None), False

    def _insert(self, resource: Resource, obj: Obj, options: WriteOptions, managed_by: managed.Manager | None) -> Obj:
        meta = obj["metadata"]
        admission.stamp_new(resource, obj, self.now())
        admission.conform(resource, obj, None, options, self.now())
        key = (meta.get("namespace", ""), meta["name"])
        if self.store.get(resource.storage, key):
            raise errors.already_exists(resource.plural, resource.group, key[1])
        self._check_home(resource, key, obj)
        if managed_by:
            managed.track_update(_shape(resource), {}, obj, managed_by, self.now())
        result = self._commit(resource, obj, options)
        if resource.storage == NAMESPACES and not options.dry_run:
            self.furnish(key[1])
        return result

    def furnish(self, namespace: str) -> None:
        """What every namespace has from its start: the service account `default`."""
        if self.store.get(SERVICE_ACCOUNTS, (namespace, "default")) is None:
            accounts = self.registry.find("", "v1", "serviceaccounts")
            self.create(accounts, namespace, {"metadata": {"name": "default"}}, WriteOptions())

    def _replace(
        self,
        resource: Resource,
        before: Obj,
        after: Obj,
        subresource: str,
        options: WriteOptions,
        *,
        managed_by: managed.Manager | None,
    ) -> Obj:
        admission.restrict_update(resource, before, after, subresource)
        admission.conform(resource, after, before, options, self.now())
        if managed_by:
            managed.track_update(_shape(resource), before, after, managed_by, self.now())
        if admission.spec_changed(resource, before, after) and "generation" in before["metadata"]:
            after["metadata"]["generation"] = before["metadata"]["generation"] + 1
        return before if after == before else self._commit(resource, after, options)

    def _commit(self, resource: Resource, obj: Obj, options: WriteOptions) -> Obj:
        if not options.dry_run:
            self.finish(resource.storage, obj)
        return obj

    def delete(self, resource: Resource, key: Key, options: Obj) -> Obj:
        """`options` is a DeleteOptions object. Gives a Status, or the object when finalizers still hold it."""
        record = self._require(resource, key)
        if resource.storage == NAMESPACES and key[1] in FIRST_NAMESPACES:
            raise errors.forbidden(resource.plural, resource.group, key[1], "this namespace may not be deleted")
        obj = record.load()
        meta = obj["metadata"]
        wanted = options.get("preconditions") or {}
        for name in ("uid", "resourceVersion"):
            if wanted.get(name) not in (None, meta[name]):
                why = f"Precondition failed: {name} in precondition: {wanted[name]}, in object meta: {meta[name]}"
                raise errors.conflict(resource.plural, resource.group, key[1], why)
        extra = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(options.get("propagationPolicy", ""), [])
        finalizers = list(dict.fromkeys([*(meta.get("finalizers") or ()), *extra]))
        grace = pods.grace_seconds(obj, options, self.node) if resource.storage == pods.PODS else 0
        if not record.deleting or grace < meta["deletionGracePeriodSeconds"]:
            meta |= {"deletionTimestamp": self.now(grace), "deletionGracePeriodSeconds": grace}
        if finalizers:
            meta["finalizers"] = finalizers
        if resource.storage == NAMESPACES:
            obj["status"] = {"phase": "Terminating"}
        if not options.get("dryRun") and obj != record.load():
            self.finish(resource.storage, obj)
        if finalizers or grace or resource.storage == NAMESPACES:
            return resource.view(obj)
        details = {"name": key[1], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def delete_collection(self, resource: Resource, selection: Selection, options: Obj) -> list[Record]:
        found = self.select(resource, selection)
        for record in found:
            self.delete(resource, record.key, options)
        return found

    def finish(self, storage: str, obj: Obj) -> None:
        """Stores an object, or removes it when it is being deleted and nothing holds it any more."""
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        held = obj["metadata"].get("finalizers") or (storage == NAMESPACES and obj["spec"].get("finalizers"))
        held = held or obj["metadata"].get("deletionGracePeriodSeconds")
        if "deletionTimestamp" in obj["metadata"] and not held:
            self.store.remove(storage, key)
        else:
            self.store.put(storage, obj)
        if storage in (pods.PODS, quota.QUOTAS):
            self._count(key[0])

    def _count(self, namespace: str) -> None:
        """Brings the namespace's quotas up to date; a real cluster's controller does so a moment later."""
        for record in self.store.records(quota.QUOTAS, namespace):
            bound = record.load()
            status = quota.status(bound, self._pods(namespace))
            if bound.get("status") != status:
                self.store.put(quota.QUOTAS, {**bound, "status": status})

    def _pods(self, namespace: str) -> list[Obj]:
        return [record.load() for record in self.store.records(pods.PODS, namespace)]

    def _require(self, resource: Resource, key: Key) -> Record:
        record = self.store.get(resource.storage, key)
        if record is None:
            raise errors.not_found(resource.plural, resource.group, key[1])
        return record

    def _check_home(self, resource: Resource, key: Key, obj: Obj) -> None:
        """The namespace, and for custom resources the CRD, take new objects; a pod's service account is there."""
        crd = self.store.get(CRDS, ("", f"{resource.plural}.{resource.group}"))
        if crd and crd.deleting:
            raise errors.method_not_allowed()
        if resource.namespaced:
            namespace = self.store.get(NAMESPACES, ("", key[0]))
            if namespace is None:
                raise errors.not_found("namespaces", "", key[0])
            if namespace.deleting:
                why = f"unable to create new content in namespace {key[0]} because it is being terminated"
                raise errors.forbidden(resource.plural, resource.group, key[1], why)
        if resource.storage == pods.PODS:
            bounds = [record.load() for record in self.store.records(quota.QUOTAS, key[0])]
            refused = quota.refusal(bounds, self._pods(key[0]), obj) if bounds else None
            if refused is not None:
                raise refused
        account = obj["spec"]["serviceAccountName"] if resource.storage == pods.PODS else ""
        if account and self.store.get(SERVICE_ACCOUNTS, (key[0], account)) is None:
            why = f'error looking up service account {key[0]}/{account}: serviceaccount "{account}" not found'
            raise errors.forbidden(resource.plural, resource.group, key[1], why)


def _manager(resource: Resource, options: WriteOptions, operation: str, subresource: str) -> managed.Manager:
    return managed.Manager(options.field_manager, operation, resource.api_version, subresource)


def _shape(resource: Resource) -> managed.Shape:
    return managed.Shape(resource.schema.root if resource.schema else None)
