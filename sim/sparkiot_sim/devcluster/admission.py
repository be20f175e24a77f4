"""What happens to an object between a request and the store: identity, defaults, pruning, validation."""

import base64
import copy
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sparkiot_sim.devcluster import pods, quota, registry
from sparkiot_sim.devcluster.errors import FieldError, Obj, bad_request, conflict, invalid, stale
from sparkiot_sim.devcluster.resources import CRDS, NAMESPACES, Resource
from sparkiot_sim.devcluster.schema import StructuralSchema

_TEXT, _TEXTS = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
_NAME = {"type": "string", "maxLength": 253, "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
_LABEL = {"type": "string", "maxLength": 63, "pattern": r"^([A-Za-z0-9]([-\w.]*[A-Za-z0-9])?)?$"}


def _fields(properties: Obj, required: Iterable[str] = ()) -> Obj:
    return {"type": "object", "properties": properties, "required": list(required)}


_OWNER = dict.fromkeys(("apiVersion", "kind", "name", "uid"), _TEXT)
_MANAGED = {
    **dict.fromkeys(("manager", "apiVersion", "subresource", "time"), _TEXT),
    "operation": {"type": "string", "enum": ["Apply", "Update"]},
    "fieldsV1": {"type": "object"},
}
_METADATA = {
    **dict.fromkeys(("generateName", "namespace", "uid", "resourceVersion"), _TEXT),
    "name": _NAME,
    "labels": {"type": "object", "additionalProperties": _LABEL},
    "annotations": _TEXTS,
    "finalizers": {"type": "array", "items": _TEXT},
    "ownerReferences": {"type": "array", "items": _fields(_OWNER, _OWNER)},
    "managedFields": {"type": "array", "items": _fields(_MANAGED)},
}
_POLICY = {"type": "string", "enum": ["Background", "Foreground", "Orphan"]}
_OBJECT_META = StructuralSchema(_fields(_METADATA))
_DELETE_OPTIONS = StructuralSchema(
    _fields({"propagationPolicy": _POLICY, "preconditions": _TEXTS, "gracePeriodSeconds": {"type": "integer"}})
)
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # without vowels: no words come out, as in Kubernetes
_SERVER_SET = (
    *("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion"),
)


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """Query parameters of a write; `warnings` collects what the response says in its Warning headers."""

    dry_run: bool = False
    field_manager: str = "unknown"
    field_validation: str = "Warn"  # or Strict, Ignore
    force: bool = False
    warnings: list[str] = field(default_factory=list)


def check_identity(resource: Resource, namespace: str, name: str | None, body: Any) -> None:
    """The body is an object of this kind, for this namespace and name. Raises ApiError 400 or 422."""
    if not isinstance(body, dict):
        raise bad_request("the object provided is not a JSON object")
    body.setdefault("apiVersion", resource.api_version)
    body.setdefault("kind", resource.kind)
    if (body["apiVersion"], body["kind"]) != (resource.api_version, resource.kind):
        raise bad_request(
            f"the API version and kind in the data ({body['apiVersion']}, {body['kind']}) do not match the expected "
            f"({resource.api_version}, {resource.kind})"
        )
    meta = body.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise bad_request("metadata must be an object")
    for key in [key for key, value in meta.items() if value in (None, "", [], {}) and key != "managedFields"]:
        del meta[key]
    if resource.namespaced:
        if meta.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    else:
        meta.pop("namespace", None)
    if name is not None and meta.setdefault("name", name) != name:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    errors = _OBJECT_META.validate(meta, None)
    _refuse(resource, meta, [replace(error, field=f"metadata.{error.field}") for error in errors])


def delete_options(body: Any) -> Obj:
    """The DeleteOptions in a request's body, which may be empty. Raises ApiError 400 for anything else."""
    if not isinstance(body or {}, dict):
        raise bad_request("the body of a delete is a DeleteOptions object")
    options: Obj = {key: value for key, value in (body or {}).items() if value is not None}
    for error in _DELETE_OPTIONS.validate(options, None):
        raise bad_request(f"DeleteOptions.{error.field}: {error.message}")
    return options


def _refuse(resource: Resource, meta: Obj, errors: list[FieldError]) -> None:
    if errors:
        raise invalid(resource.kind, resource.group, str(meta.get("name", "")), errors)


def stamp_new(resource: Resource, obj: Obj, now: str) -> None:
    """Server-set metadata and initial state of an object about to be created."""
    meta = obj["metadata"]
    if "name" not in meta and "generateName" in meta:
        suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(5))
        meta["name"] = meta["generateName"][:248] + suffix
    for key in _SERVER_SET:
        meta.pop(key, None)
    meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
    if resource.has_status:
        obj.pop("status", None)
    if resource.has_status or resource.custom:
        meta["generation"] = 1
    for key, value in resource.initial.items():
        obj[key] = {**copy.deepcopy(value), **(obj.get(key) or {})} if isinstance(value, dict) else obj.get(key, value)
    if resource.storage == NAMESPACES:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        meta["labels"] = {**meta.get("labels", {}), "kubernetes.io/metadata.name": meta.get("name", "")}


def restrict_update(resource: Resource, before: Obj, after: Obj, subresource: str) -> None:
    """Undoes, in `after`, what this endpoint may not change: server-set metadata, status or everything but status.

    Raises ApiError 409 for a stale resourceVersion or another uid, 422 for new finalizers on a deleted object.
    """
    old, new = before["metadata"], after["metadata"]
    sent = new.get("resourceVersion")
    if resource.custom and not sent:
        message = "Invalid value: 0: must be specified for an update"
        _refuse(resource, old, [FieldError("metadata.resourceVersion", "FieldValueInvalid", message)])
    if sent not in (None, old["resourceVersion"]):
        raise stale(resource.plural, resource.group, old["name"])
    if new.get("uid") not in (None, old["uid"]):
        why = f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: {old['uid']}"
        raise conflict(resource.plural, resource.group, old["name"], why)
    if subresource == "status":
        owners = {"managedFields": new["managedFields"]} if "managedFields" in new else {}
        after["metadata"] = {**old, **owners}
        _copy_keys(before, after, (set(before) | set(after)) - {"status", "metadata"})
        return
    _copy_keys(old, new, (*_SERVER_SET, "generateName"))
    if resource.has_status:
        _copy_keys(before, after, ("status",))
    added = sorted(set(new.get("finalizers", ())) - set(old.get("finalizers", ())))
    if "deletionTimestamp" in old and added:
        message = f"Forbidden: no new finalizers can be added if the object is being deleted, found new {added}"
        _refuse(resource, old, [FieldError("metadata.finalizers", "FieldValueForbidden", message)])


def _copy_keys(source: Obj, target: Obj, keys: Iterable[str]) -> None:
    for key in keys:
        target.pop(key, None)
        if key in source:
            target[key] = source[key]


def conform(resource: Resource, obj: Obj, before: Obj | None, options: WriteOptions, now: str) -> None:
    """Prunes, defaults and validates `obj` in place. Raises ApiError 400 (strict decoding) or 422 (invalid)."""
    if "name" not in obj["metadata"]:
        message = "Required value: name or generateName is required"
        _refuse(resource, {}, [FieldError("metadata.name", "FieldValueRequired", message)])
    drop_unknown(resource, obj, options)
    if resource.schema:
        resource.schema.apply_defaults(obj)
        _refuse(resource, obj["metadata"], resource.schema.validate(obj, before))
    if resource.storage == CRDS:
        registry.admit(obj, now)
    if resource.storage == pods.PODS:
        pods.admit(obj)
    if resource.storage == quota.QUOTAS:
        quota.admit(obj)
    if (resource.group, resource.kind) == ("", "Secret"):
        _fold_plain_text(obj)


def _fold_plain_text(secret: Obj) -> None:
    """What a secret is given as text is kept encoded beside the rest, as Kubernetes does: nobody reads stringData."""
    plain, data = secret.pop("stringData", None), secret.get("data")
    if isinstance(plain, dict):
        coded = {key: base64.b64encode(str(text).encode()).decode() for key, text in plain.items()}
        secret["data"] = {**(data if isinstance(data, dict) else {}), **coded}


def drop_unknown(resource: Resource, obj: Obj, options: WriteOptions) -> None:
    """Prunes `obj` in place, and says so as the request wants it. Raises ApiError 400 when validation is Strict."""
    texts = [f'unknown field "{path}"' for path in (resource.schema.prune(obj) if resource.schema else ())]
    if texts and options.field_validation == "Strict":
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
            f"strict decoding error: {', '.join(texts)}"
        )
    if options.field_validation == "Warn":
        options.warnings.extend(texts)


def spec_changed(resource: Resource, before: Obj, after: Obj) -> bool:
    """Whether metadata.generation goes up: anything but metadata and, where it is a subresource, status."""
    ignored = {"metadata", "status"} if resource.has_status else {"metadata"}
    return any(before.get(key) != after.get(key) for key in (set(before) | set(after)) - ignored)
