"""The `scale` subresource: an autoscaling/v1 Scale as a view of three paths of a custom resource."""

from typing import Any

from sparkiot_sim.devcluster.errors import FieldError, Obj, bad_request, conflict, invalid, no_such_path
from sparkiot_sim.devcluster.resources import Resource, ScalePaths


def read(resource: Resource, obj: Obj) -> Obj:
    """The Scale of `obj`. Raises ApiError 404 when the resource has no such subresource."""
    paths = _paths(resource)
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Obj = {"replicas": _get(obj, paths.status_replicas) or 0}
    if paths.selector and _get(obj, paths.selector):
        status["selector"] = _get(obj, paths.selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": _get(obj, paths.spec_replicas) or 0},
        "status": status,
    }


def write(resource: Resource, obj: Obj, body: Any) -> Obj:
    """A copy of `obj` with the replicas of the Scale in `body`.

    Raises ApiError 400 for something else than a Scale, 409 for a stale resourceVersion, 422 for negative replicas.
    """
    paths = _paths(resource)
    if not isinstance(body, dict) or body.get("kind", "Scale") != "Scale":
        raise bad_request("the object provided is not a Scale of autoscaling/v1")
    spec, meta = body.get("spec") or {}, body.get("metadata") or {}
    if not isinstance(spec, dict) or not isinstance(meta, dict):
        raise bad_request("spec and metadata of a Scale are objects")
    replicas = spec.get("replicas", 0)
    name = obj["metadata"]["name"]
    if not isinstance(replicas, int) or replicas < 0:
        message = f"Invalid value: {replicas}: should be a non-negative integer"
        error = FieldError("spec.replicas", "FieldValueInvalid", message)
        raise invalid("Scale", "autoscaling", name, [error])
    sent = meta.get("resourceVersion")
    if sent not in (None, "", obj["metadata"]["resourceVersion"]):
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise conflict(resource.plural, resource.group, name, why)
    return _with({**obj, "metadata": dict(obj["metadata"])}, _names(paths.spec_replicas), replicas)


def _paths(resource: Resource) -> ScalePaths:
    if resource.scale is None:
        raise no_such_path()
    return resource.scale


def _names(path: str) -> list[str]:
    return path.strip(".").split(".")


def _get(obj: Any, path: str) -> Any:
    for name in _names(path):
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj


def _with(obj: Obj, names: list[str], value: Any) -> Obj:
    """`obj` with the value at the path replaced; what lies on the way is copied, the rest shared."""
    first, *rest = names
    return {**obj, first: _with(obj.get(first) or {}, rest, value) if rest else value}
