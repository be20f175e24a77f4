"""Which resources are served: the built-in table, and one resource for each served version of each CRD."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import orjson

from sparkiot_sim.devcluster.errors import FieldError, Obj, invalid, no_such_path
from sparkiot_sim.devcluster.resources import BUILT_IN, CRDS, Column, Resource, ScalePaths
from sparkiot_sim.devcluster.rules import SchemaError
from sparkiot_sim.devcluster.schema import StructuralSchema
from sparkiot_sim.devcluster.store import Store
from sparkiot_sim.devcluster.tables import json_path

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"  # finalizer: the custom resources go before their CRD

_TEXT, _FLAG = {"type": "string", "minLength": 1}, {"type": "boolean"}
_TEXTS = {"type": "array", "items": _TEXT}


def _shape(properties: Obj, required: str) -> Obj:
    return {"type": "object", "properties": properties, "required": required.split()}


_NAMES = {"plural": _TEXT, "kind": _TEXT, "singular": _TEXT, "listKind": _TEXT, "shortNames": _TEXTS}
_SCALE = {"specReplicasPath": _TEXT, "statusReplicasPath": _TEXT, "labelSelectorPath": {"type": "string"}}
_COLUMN = {"name": _TEXT, "type": _TEXT, "jsonPath": _TEXT, "priority": {"type": "integer"}}
_VERSION = {
    "name": _TEXT,
    "served": _FLAG,
    "storage": _FLAG,
    "schema": _shape({"openAPIV3Schema": {"type": "object"}}, "openAPIV3Schema"),
    "subresources": _shape(
        {"status": {"type": "object"}, "scale": _shape(_SCALE, "specReplicasPath statusReplicasPath")}, ""
    ),
    "additionalPrinterColumns": {"type": "array", "items": _shape(_COLUMN, "name type jsonPath")},
    "selectableFields": {"type": "array", "items": _shape({"jsonPath": _TEXT}, "jsonPath")},
}
_SPEC = {
    "group": _TEXT,
    "scope": {"type": "string", "enum": ["Cluster", "Namespaced"]},
    "names": _shape({**_NAMES, "categories": _TEXTS}, "plural kind"),
    "versions": {"type": "array", "minItems": 1, "items": _shape(_VERSION, "name served storage schema")},
}
_MANIFEST = StructuralSchema(_shape({"spec": _shape(_SPEC, "group scope names versions")}, "spec"))


class Registry:
    """Resources by group, version and plural; the custom ones are those of the CRDs in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, group: str, version: str, plural: str) -> Resource:
        """Raises ApiError 404 when there is none."""
        for resource in self.all():
            if (resource.group, resource.version, resource.plural) == (group, version, plural):
                return resource
        raise no_such_path()

    def by_storage(self, storage: str) -> Resource | None:
        return next((res for res in self.all() if res.storage == storage), None)

    def all(self) -> Iterator[Resource]:
        yield from BUILT_IN
        for record in self._store.records(CRDS):
            yield from _served(record.raw)

    def groups(self) -> dict[str, dict[str, list[Resource]]]:
        """Resources by group, then version; groups and versions in order of preference."""
        found: dict[str, dict[str, list[Resource]]] = {}
        for resource in self.all():
            found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
        return found


@lru_cache(maxsize=32)
def _served(crd: bytes) -> tuple[Resource, ...]:
    """Cached, since the rules of a schema take milliseconds to compile."""
    return served_by(orjson.loads(crd))


def admit(crd: Obj, now: str) -> None:
    """Checks a CustomResourceDefinition and completes it: defaults, accepted names, conditions.

    Raises ApiError 422 that lists what is wrong, down to the CEL rule that does not compile.
    """
    name = crd["metadata"]["name"]
    errors = _MANIFEST.validate({"spec": crd.get("spec")}, None) or list(_check(name, crd["spec"]))
    if not errors:
        names = crd["spec"]["names"]
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
        crd["spec"].setdefault("conversion", {"strategy": "None"})
        try:
            served_by(crd)
        except SchemaError as error:
            errors = [FieldError("spec.versions", "FieldValueInvalid", str(error))]
    if errors:
        raise invalid("CustomResourceDefinition", "apiextensions.k8s.io", name, errors)
    spec = crd["spec"]
    stored = [version["name"] for version in spec["versions"] if version["storage"]]
    conditions = [
        {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now}
        for kind, reason in (("NamesAccepted", "NoConflicts"), ("Established", "InitialNamesAccepted"))
    ]
    fresh = {"acceptedNames": spec["names"], "storedVersions": stored, "conditions": conditions}
    crd["status"] = {**fresh, **(crd.get("status") or {}), "acceptedNames": spec["names"]}
    finalizers = crd["metadata"].setdefault("finalizers", [])
    if "deletionTimestamp" not in crd["metadata"] and CLEANUP not in finalizers:
        finalizers.append(CLEANUP)


def _check(name: str, spec: Obj) -> Iterable[FieldError]:
    names, versions = spec["names"], spec["versions"]
    wanted = f"{names['plural']}.{spec['group']}"
    if name != wanted:
        message = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        yield FieldError("metadata.name", "FieldValueInvalid", message)
    if sum(version["storage"] for version in versions) != 1:
        message = "Invalid value: must have exactly one version marked as storage version"
        yield FieldError("spec.versions", "FieldValueInvalid", message)
    for index, version in enumerate(versions):
        for place, column in enumerate(version.get("additionalPrinterColumns") or ()):
            try:
                json_path({}, column["jsonPath"])
            except ValueError as error:
                field = f"spec.versions[{index}].additionalPrinterColumns[{place}].jsonPath"
                yield FieldError(field, "FieldValueInvalid", f"Invalid value: {error}")


def served_by(crd: Obj) -> tuple[Resource, ...]:
    """One resource for each served version. Raises SchemaError when a schema or a CEL rule cannot be used."""
    return tuple(_resource(crd["spec"], version) for version in crd["spec"]["versions"] if version.get("served"))


def _resource(spec: Obj, version: Obj) -> Resource:
    names, subresources = spec["names"], version.get("subresources") or {}
    scale = subresources.get("scale")
    columns = tuple(
        Column(name=column["name"], source=column["jsonPath"], type=column["type"], priority=column.get("priority", 0))
        for column in version.get("additionalPrinterColumns") or ()
    )
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular", ""),
        list_kind=names.get("listKind", ""),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        namespaced=spec["scope"] == "Namespaced",
        has_status="status" in subresources,
        columns=columns,
        schema=StructuralSchema(version["schema"]["openAPIV3Schema"]),
        selectable_fields=tuple(entry["jsonPath"].lstrip(".") for entry in version.get("selectableFields") or ()),
        scale=scale
        and ScalePaths(
            spec_replicas=scale["specReplicasPath"],
            status_replicas=scale["statusReplicasPath"],
            selector=scale.get("labelSelectorPath", ""),
        ),
    )
