"""OpenAPI documents: what `kubectl explain` prints, and where kubectl looks up which query parameters work.

Custom resources are described in full, by their CRD; built-in kinds only by name, since their objects are stored
as they come.
"""

import hashlib
from typing import Any

import orjson

from sparkiot_sim.devcluster.discovery import VERSION
from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.resources import Resource

_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_STANDARD: Obj = {
    "apiVersion": {"type": "string", "description": "Version of the schema of this representation of an object."},
    "kind": {"type": "string", "description": "The REST resource that this object represents, in CamelCase."},
    "metadata": {
        "description": "Standard object's metadata.",
        "allOf": [{"$ref": f"#/components/schemas/{_META}"}],
        "default": {},
    },
}
_META_SCHEMA: Obj = {
    "type": "object",
    "description": "ObjectMeta is metadata that all persisted resources must have.",
    "properties": {
        "name": {"type": "string", "description": "Unique within a namespace; cannot be updated."},
        "namespace": {"type": "string", "description": "The space within which the name is unique."},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Keys and values that selectors match.",
        },
        "annotations": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Unstructured data of tools.",
        },
        "finalizers": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Must be empty before the object is removed.",
        },
    },
}
_QUERY: list[Obj] = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldManager")]
_QUERY_WRITE: list[Obj] = [*_QUERY, {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]


def index(registry: Registry) -> Obj:
    """`/openapi/v3`: where the document of each group and version is."""
    paths = {}
    for group, versions in registry.groups().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            digest = hashlib.sha256(orjson.dumps(document(registry, group, version))).hexdigest()[:16]
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> Obj | None:
    """The OpenAPI v3 document of one group and version, None when there is none."""
    resources = registry.groups().get(group, {}).get(version)
    if resources is None:
        return None
    paths: Obj = {}
    schemas: Obj = {_META: _META_SCHEMA}
    for resource in resources:
        schemas[_schema_name(resource)] = _schema(resource)
        paths |= _paths(resource)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema_name(resource: Resource) -> str:
    reverse = ".".join(reversed(resource.group.split("."))) or "io.k8s.api.core"
    return f"{reverse}.{resource.version}.{resource.kind}"


def _schema(resource: Resource) -> Obj:
    gvk = {"x-kubernetes-group-version-kind": [resource.gvk]}
    if resource.schema is None:
        description = f"{resource.kind} of {resource.api_version}; the embedded cluster stores any fields."
        return {"type": "object", "description": description, "properties": _STANDARD} | gvk
    root: dict[str, Any] = resource.schema.root
    return {**root, "properties": {**(root.get("properties") or {}), **_STANDARD}} | gvk


def _paths(resource: Resource) -> Obj:
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    collection = f"{base}/namespaces/{{namespace}}" if resource.namespaced else base

    def operation(action: str, parameters: list[Obj]) -> Obj:
        reference = {"schema": {"$ref": f"#/components/schemas/{_schema_name(resource)}"}}
        return {
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": reference}}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": resource.gvk,
        }

    return {
        f"{collection}/{resource.plural}": {
            "get": operation("list", []),
            "post": operation("post", _QUERY_WRITE),
            "delete": operation("deletecollection", _QUERY),
        },
        f"{collection}/{resource.plural}/{{name}}": {
            "get": operation("get", []),
            "put": operation("put", _QUERY_WRITE),
            "patch": operation("patch", _QUERY_WRITE),
            "delete": operation("delete", _QUERY),
        },
    }
