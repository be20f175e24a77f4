"""Which resources are served: the built-in table, and one resource for each served version of each CRD."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import orjson

from sparkiot_sim.devcluster.errors import FieldError, Obj, invalid
from sparkiot_sim.devcluster.resources import AGE, BUILT_IN, CRDS, Column, Resource, ScalePaths
from sparkiot_sim.devcluster.rules import SchemaError
from sparkiot_sim.devcluster.schema import StructuralSchema
from sparkiot_sim.devcluster.store import Store
from sparkiot_sim.devcluster.tables import json_path

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"  # finalizer: the custom resources go before their CRD

_TEXT, _FLAG = {"type": "string", "minLength": 1}, {"type": "boolean"}
_TEXTS = {"type": "array", "items": _TEXT}


def _shape(required: tuple[str, ...], **properties: Obj) -> Obj:
    return {"type": "object", "required": list(required), "properties": properties}


_NAMES = _shape(
    ("plural", "kind"), plural=_TEXT, kind=_TEXT, singular=_TEXT, listKind=_TEXT, shortNames=_TEXTS, categories=_TEXTS
)
_SCALE = _shape(
    ("specReplicasPath", "statusReplicasPath"),
    specReplicasPath=_TEXT, statusReplicasPath=_TEXT, labelSelectorPath={"type": "string"},
)  # fmt: skip
_COLUMN = _shape(("name", "type", "jsonPath"), name=_TEXT, type=_TEXT, jsonPath=_TEXT, priority={"type": "integer"})
_VERSION = _shape(
    ("name", "served", "storage", "schema"),
    name=_TEXT,
    served=_FLAG,
    storage=_FLAG,
    schema=_shape(("openAPIV3Schema",), openAPIV3Schema={"type": "object"}),
    subresources=_shape((), status={"type": "object"}, scale=_SCALE),
    additionalPrinterColumns={"type": "array", "items": _COLUMN},
    selectableFields={"type": "array", "items": _shape(("jsonPath",), jsonPath=_TEXT)},
)
_SPEC = _shape(
    ("group", "scope", "names", "versions"),
    group=_TEXT,
    scope={"type": "string", "enum": ["Cluster", "Namespaced"]},
    names=_NAMES,
    versions={"type": "array", "minItems": 1, "items": _VERSION},
)
_MANIFEST = StructuralSchema(_shape(("spec",), spec=_SPEC))  # what of a CRD's manifest is read here


class Registry:
    """Resources by group, version and plural; the custom ones are those of the CRDs in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        wanted = (group, version, plural)
        return next((res for res in self.all() if (res.group, res.version, res.plural) == wanted), None)

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
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    status = crd.setdefault("status", {})
    status["acceptedNames"] = spec["names"]
    status["storedVersions"] = sorted({*status.get("storedVersions", ()), *stored})
    known = {condition["type"]: condition for condition in status.get("conditions") or ()}
    wanted = (("NamesAccepted", "NoConflicts", "no conflicts found"), ("Established", "InitialNamesAccepted", ""))
    for kind, reason, message in wanted:
        fresh = {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}
        known.setdefault(kind, fresh)
    status["conditions"] = list(known.values())
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
        where = f"spec.versions[{index}]"
        if version["schema"]["openAPIV3Schema"].get("type") != "object":
            message = "Invalid value: must be object at the root"
            yield FieldError(f"{where}.schema.openAPIV3Schema.type", "FieldValueInvalid", message)
        for place, column in enumerate(version.get("additionalPrinterColumns") or ()):
            try:
                json_path({}, column["jsonPath"])
            except ValueError as error:
                field = f"{where}.additionalPrinterColumns[{place}].jsonPath"
                yield FieldError(field, "FieldValueInvalid", f"Invalid value: {error}")


def served_by(crd: Obj) -> tuple[Resource, ...]:
    """One resource for each served version. Raises SchemaError when a schema or a CEL rule cannot be used."""
    return tuple(_resource(crd["spec"], version) for version in crd["spec"]["versions"] if version.get("served"))


def _resource(spec: Obj, version: Obj) -> Resource:
    names, subresources = spec["names"], version.get("subresources") or {}
    scale = subresources.get("scale")
    columns = tuple(
        Column(
            name=column["name"],
            source=column["jsonPath"],
            type=column["type"],
            format=column.get("format", ""),
            priority=column.get("priority", 0),
            description=column.get("description", ""),
        )
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
        columns=columns or (AGE,),
        schema=StructuralSchema(version["schema"]["openAPIV3Schema"]),
        selectable_fields=tuple(entry["jsonPath"].lstrip(".") for entry in version.get("selectableFields") or ()),
        scale=scale
        and ScalePaths(
            spec_replicas=scale["specReplicasPath"],
            status_replicas=scale["statusReplicasPath"],
            selector=scale.get("labelSelectorPath", ""),
        ),
    )
