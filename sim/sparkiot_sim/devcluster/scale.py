"""The `scale` subresource: an autoscaling/v1 Scale as a view of three paths of a custom resource."""

from typing import Any

from sparkiot_sim.devcluster.errors import FieldError, Obj, bad_request, invalid, no_such_path, stale
from sparkiot_sim.devcluster.resources import Resource, ScalePaths


def read(resource: Resource, obj: Obj) -> Obj:
    """The Scale of `obj`. Raises ApiError 404 when the resource has no such subresource."""
    paths = _paths(resource)
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": _get(obj, paths.spec_replicas) or 0},
        "status": {
            "replicas": _get(obj, paths.status_replicas) or 0,
            "selector": _get(obj, paths.selector) or "",
        },
    }


def write(resource: Resource, obj: Obj, body: Any) -> None:
    """Sets the replicas of the Scale in `body`.

    Raises ApiError 400 for something else than a Scale, 409 for a stale resourceVersion, 422 for negative replicas.
    """
    match body:
        case {"spec": {"replicas": int(replicas)}, "metadata": dict(meta)}:
            pass
        case _:
            raise bad_request("the object provided is not a Scale of autoscaling/v1")
    if replicas < 0:
        message = f"Invalid value: {replicas}: should be a non-negative integer"
        error = FieldError("spec.replicas", "FieldValueInvalid", message)
        raise invalid("Scale", "autoscaling", obj["metadata"]["name"], [error])
    if meta.get("resourceVersion") not in (None, "", obj["metadata"]["resourceVersion"]):
        raise stale(resource.plural, resource.group, obj["metadata"]["name"])
    *parents, last = _names(_paths(resource).spec_replicas)
    for name in parents:
        obj = obj.setdefault(name, {})
    obj[last] = replicas


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
