"""Which resources are served: the built-in table, and one resource for each served version of each CRD."""

from collections.abc import Iterable

from sparkiot_sim.devcluster.errors import FieldError, Obj, invalid
from sparkiot_sim.devcluster.resources import AGE, BUILT_IN, CRDS, Column, Resource, ScalePaths
from sparkiot_sim.devcluster.rules import RuleError
from sparkiot_sim.devcluster.schema import StructuralSchema
from sparkiot_sim.devcluster.store import Change, Store

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"  # finalizer: the custom resources go before their CRD


class Registry:
    """Resources by (group, version, plural). Follows the CRDs in `store`."""

    def __init__(self, store: Store) -> None:
        self._built_in = {(res.group, res.version, res.plural): res for res in BUILT_IN}
        self._custom: dict[str, tuple[Resource, ...]] = {}
        for record in store.records(CRDS):
            self._custom[record.key[1]] = served_by(record.load())
        store.listen(self._follow)

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        built_in = self._built_in.get((group, version, plural))
        if built_in:
            return built_in
        custom = self._custom.get(f"{plural}.{group}", ())
        return next((res for res in custom if res.version == version), None)

    def by_storage(self, storage: str) -> Resource | None:
        return next((res for res in self.all() if res.storage == storage), None)

    def all(self) -> Iterable[Resource]:
        yield from self._built_in.values()
        for resources in self._custom.values():
            yield from resources

    def groups(self) -> dict[str, dict[str, list[Resource]]]:
        """Resources by group, then version; groups and versions in order of preference."""
        found: dict[str, dict[str, list[Resource]]] = {}
        for resource in self.all():
            found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
        return found

    def _follow(self, change: Change) -> None:
        if change.storage != CRDS:
            return
        name = change.record.key[1]
        if change.removed:
            self._custom.pop(name, None)
        else:
            self._custom[name] = served_by(change.record.load())


def admit(crd: Obj, now: str) -> None:
    """Checks a CustomResourceDefinition and completes it: defaults, accepted names, conditions.

    Raises ApiError 422 that lists what is wrong, down to the CEL rule that does not compile.
    """
    name = crd["metadata"]["name"]
    spec = crd.get("spec") or {}
    errors = list(_check(name, spec))
    if not errors:
        names = spec["names"]
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
        spec.setdefault("conversion", {"strategy": "None"})
        try:
            served_by(crd)
        except RuleError as error:
            errors = [FieldError("spec.versions", "FieldValueInvalid", str(error))]
    if errors:
        raise invalid("CustomResourceDefinition", "apiextensions.k8s.io", name, errors)
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
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    for field, held in (("spec.group", spec.get("group")), ("spec.names.plural", names.get("plural")),
                        ("spec.names.kind", names.get("kind")), ("spec.versions", versions)):  # fmt: skip
        if not held:
            yield FieldError(field, "FieldValueRequired", "Required value")
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        message = f'Unsupported value: "{spec.get("scope")}": supported values: "Cluster", "Namespaced"'
        yield FieldError("spec.scope", "FieldValueNotSupported", message)
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if name != wanted:
        message = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        yield FieldError("metadata.name", "FieldValueInvalid", message)
    if versions and sum(bool(version.get("storage")) for version in versions) != 1:
        message = "Invalid value: must have exactly one version marked as storage version"
        yield FieldError("spec.versions", "FieldValueInvalid", message)
    for index, version in enumerate(versions):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        where = f"spec.versions[{index}].schema.openAPIV3Schema"
        if not schema:
            yield FieldError(where, "FieldValueRequired", "Required value: schemas are required")
        elif schema.get("type") != "object":
            yield FieldError(f"{where}.type", "FieldValueInvalid", "Invalid value: must be object at the root")


def served_by(crd: Obj) -> tuple[Resource, ...]:
    """One resource for each served version. Raises RuleError when a CEL rule does not compile."""
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
            selector=scale.get("labelSelectorPath"),
        ),
    )
