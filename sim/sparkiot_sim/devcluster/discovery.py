"""What clients learn about the server: groups, versions, resources, and OpenAPI documents for `kubectl explain`.

Custom resources are described in full, by their CRD; built-in kinds only by name, since their objects are stored as
they come. Discovery is the unaggregated form, which every client understands.
"""

from sparkiot_sim.devcluster.errors import Obj, no_such_path
from sparkiot_sim.devcluster.pods import PODS
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.resources import Resource

# The Kubernetes release whose behaviour is followed; clients switch features by it.
VERSION: Obj = {"major": "1", "minor": "36", "gitVersion": "v1.36.0+sparkiot-dev", "platform": "linux/amd64"}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STANDARD: Obj = {
    "apiVersion": {"type": "string", "description": "Version of the schema of this representation of an object."},
    "kind": {"type": "string", "description": "The REST resource that this object represents, in CamelCase."},
    "metadata": {"$ref": "#/components/schemas/ObjectMeta"},
}
_META_SCHEMA: Obj = {
    "type": "object",
    "description": "Standard object's metadata: name, namespace, labels, annotations, finalizers, ownerReferences.",
}
# kubectl looks up here whether dry run and field validation work.
_QUERY = [
    {"name": name, "in": "query", "schema": {"type": "string"}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


def document(registry: Registry, path: str) -> Obj | None:
    """What is served at `path` about the server itself, None when that is the path of a resource or of nothing.

    Raises ApiError 404 for a group or version that is not there.
    """
    found: Obj | None = None
    match path.strip("/").split("/"):
        case ["version"]:
            found = VERSION
        case ["api"]:
            found = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = [_group(registry, name) for name in registry.groups() if name]
            found = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group]:
            found = {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, group)}
        case ["api", version]:
            found = _resource_list(registry, "", version)
        case ["apis", group, version]:
            found = _resource_list(registry, group, version)
        case ["openapi", "v3"]:
            found = _openapi_index(registry)
        case ["openapi", "v3", "api", version]:
            found = _openapi(registry, "", version)
        case ["openapi", "v3", "apis", group, version]:
            found = _openapi(registry, group, version)
    return found


def _group(registry: Registry, name: str) -> Obj:
    versions = registry.groups().get(name)
    if not versions:
        raise no_such_path()
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resource_list(registry: Registry, group: str, version: str) -> Obj:
    entries: list[Obj] = []
    for resource in _resources(registry, group, version):
        entries.append(
            {
                "name": resource.plural,
                "singularName": resource.singular,
                "shortNames": list(resource.short_names),
                "categories": list(resource.categories),
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": _VERBS,
            }
        )
        sub = {"singularName": "", "namespaced": resource.namespaced, "verbs": ["get", "patch", "update"]}
        if resource.has_status:
            entries.append({"name": f"{resource.plural}/status", "kind": resource.kind, **sub})
        if resource.storage == PODS:
            entries.append({"name": f"{resource.plural}/log", "kind": resource.kind, **sub, "verbs": ["get"]})
        if resource.scale:
            scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
            entries.append({"name": f"{resource.plural}/scale", **scale, **sub})
    full = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": full, "resources": entries}


def _openapi_index(registry: Registry) -> Obj:
    paths = [
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, versions in registry.groups().items()
        for version in versions
    ]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}


def _openapi(registry: Registry, group: str, version: str) -> Obj:
    resources = _resources(registry, group, version)
    paths = {path: operation for resource in resources for path, operation in _operations(resource).items()}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": {"ObjectMeta": _META_SCHEMA, **{res.kind: _schema(res) for res in resources}}},
    }


def _resources(registry: Registry, group: str, version: str) -> list[Resource]:
    resources = registry.groups().get(group, {}).get(version)
    if not resources:
        raise no_such_path()
    return resources


def _schema(resource: Resource) -> Obj:
    description = f"{resource.kind} of {resource.api_version}; the embedded cluster stores any fields."
    root: Obj = resource.schema.root if resource.schema else {"type": "object", "description": description}
    properties = {**(root.get("properties") or {}), **_STANDARD}
    return {**root, "properties": properties, "x-kubernetes-group-version-kind": [resource.gvk]}


def _operations(resource: Resource) -> Obj:
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    middle = "/namespaces/{namespace}" if resource.namespaced else ""
    operation = {"parameters": _QUERY, "x-kubernetes-group-version-kind": resource.gvk, "responses": {}}
    return {f"{base}{middle}/{resource.plural}/{{name}}": {"patch": operation}}
