"""What happens to an object between a request and the store: identity, defaults, pruning, validation."""

import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from sparkiot_sim.devcluster import registry
from sparkiot_sim.devcluster.errors import FieldError, Obj, bad_request, conflict, invalid
from sparkiot_sim.devcluster.resources import CRDS, Resource
from sparkiot_sim.devcluster.schema import StructuralSchema

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?")
_TEXT, _TEXTS = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
_OWNER = {
    "type": "object",
    "required": ["apiVersion", "kind", "name", "uid"],
    "properties": {
        **dict.fromkeys(("apiVersion", "kind", "name", "uid"), _TEXT),
        "blockOwnerDeletion": {"type": "boolean"},
    },
}
_METADATA = StructuralSchema(
    {
        "type": "object",
        "properties": {
            **dict.fromkeys(("name", "generateName", "namespace", "uid", "resourceVersion"), _TEXT),
            **dict.fromkeys(("labels", "annotations"), _TEXTS),
            "finalizers": {"type": "array", "items": _TEXT},
            "ownerReferences": {"type": "array", "items": _OWNER},
            "managedFields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        **dict.fromkeys(("manager", "apiVersion", "subresource", "time"), _TEXT),
                        "operation": {"type": "string", "enum": ["Apply", "Update"]},
                        "fieldsV1": {"type": "object"},
                    },
                },
            },
        },
    }
)
_DELETE_OPTIONS = StructuralSchema(
    {
        "type": "object",
        "properties": {
            "propagationPolicy": {"type": "string", "enum": ["Background", "Foreground", "Orphan"]},
            "orphanDependents": {"type": "boolean"},
            "preconditions": _TEXTS,
        },
    }
)
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # without vowels: no words come out, as in Kubernetes
_SERVER_SET = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """Query parameters of a write; `warnings` collects what the response says in its Warning headers."""

    dry_run: bool = False
    field_manager: str = "unknown"
    field_validation: str = "Warn"  # or Strict, Ignore
    force: bool = False
    warnings: list[str] = field(default_factory=list)


def check_identity(resource: Resource, namespace: str, name: str | None, body: Any) -> None:
    """The body is an object of this kind, for this namespace and name. Raises ApiError 400."""
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
    for key in [key for key, value in meta.items() if value is None]:
        del meta[key]
    _refuse("metadata", _METADATA.validate(meta, None))
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        if key in meta and not meta[key]:
            del meta[key]
    if resource.namespaced:
        if meta.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    else:
        meta.pop("namespace", None)
    if name is not None and meta.setdefault("name", name) != name:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")


def delete_options(body: Any) -> Obj:
    """The DeleteOptions in a request's body, which may be empty. Raises ApiError 400 for anything else."""
    if not isinstance(body or {}, dict):
        raise bad_request("the body of a delete is a DeleteOptions object")
    options: Obj = {key: value for key, value in (body or {}).items() if value is not None}
    _refuse("DeleteOptions", _DELETE_OPTIONS.validate(options, None))
    return options


def _refuse(what: str, errors: Sequence[FieldError]) -> None:
    if errors:
        raise bad_request("; ".join(f"{what}.{error.field}: {error.message}" for error in errors))


def generate_name(meta: Obj) -> None:
    if not meta.get("name") and meta.get("generateName"):
        suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(5))
        meta["name"] = meta["generateName"][:248] + suffix


def stamp_new(resource: Resource, obj: Obj, now: str) -> None:
    """Server-set metadata and initial state of an object about to be created."""
    meta = obj["metadata"]
    for key in (*_SERVER_SET, "resourceVersion"):
        meta.pop(key, None)
    meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
    if resource.has_status:
        obj.pop("status", None)
    if resource.has_status or resource.custom:
        meta["generation"] = 1
    for key, value in resource.initial.items():
        fresh = orjson.loads(orjson.dumps(value))
        obj[key] = {**fresh, **(obj.get(key) or {})} if isinstance(fresh, dict) else obj.get(key) or fresh


def restrict_update(resource: Resource, before: Obj, after: Obj, subresource: str) -> None:
    """Undoes, in `after`, what this endpoint may not change: server-set metadata, status or everything but status.

    Raises ApiError 409 for a stale resourceVersion or another uid, 422 for new finalizers on a deleted object.
    """
    old, new = before["metadata"], after["metadata"]
    sent = new.get("resourceVersion")
    if resource.custom and not sent:
        message = "Invalid value: 0: must be specified for an update"
        error = FieldError("metadata.resourceVersion", "FieldValueInvalid", message)
        raise invalid(resource.kind, resource.group, old["name"], [error])
    if sent not in (None, "", old["resourceVersion"]):
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise conflict(resource.plural, resource.group, old["name"], why)
    if new.get("uid") not in (None, "", old["uid"]):
        why = f"Precondition failed: UID in precondition: {new['uid']}, UID in object meta: {old['uid']}"
        raise conflict(resource.plural, resource.group, old["name"], why)
    if subresource == "status":
        owners = {"managedFields": new["managedFields"]} if "managedFields" in new else {}
        after["metadata"] = {**old, **owners}
        for key in (set(before) | set(after)) - {"status", "metadata"}:
            _copy_key(before, after, key)
        return
    for key in (*_SERVER_SET, "resourceVersion", "generateName"):
        _copy_key(old, new, key)
    if resource.has_status:
        _copy_key(before, after, "status")
    added = set(new.get("finalizers") or ()) - set(old.get("finalizers") or ())
    if "deletionTimestamp" in old and added:
        message = f"Forbidden: no new finalizers can be added if the object is being deleted, found new {sorted(added)}"
        error = FieldError("metadata.finalizers", "FieldValueForbidden", message)
        raise invalid(resource.kind, resource.group, old["name"], [error])


def _copy_key(source: Obj, target: Obj, key: str) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)


def conform(resource: Resource, obj: Obj, before: Obj | None, options: WriteOptions, now: str) -> None:
    """Prunes, defaults and validates `obj` in place. Raises ApiError 400 (strict decoding) or 422 (invalid)."""
    errors = list(_metadata_errors(resource, obj["metadata"]))
    drop_unknown(resource, obj, options)
    if resource.schema:
        resource.schema.apply_defaults(obj)
        errors += resource.schema.validate(obj, before)
    if errors:
        raise invalid(resource.kind, resource.group, obj["metadata"].get("name", ""), errors)
    if resource.storage == CRDS:
        registry.admit(obj, now)


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


def _metadata_errors(resource: Resource, meta: Obj) -> list[FieldError]:
    errors: list[FieldError] = []

    def check(field_path: str, value: str, pattern: re.Pattern[str], what: str) -> None:
        if not pattern.fullmatch(value):
            errors.append(FieldError(field_path, "FieldValueInvalid", f'Invalid value: "{value}": {what}'))

    if not meta.get("name"):
        message = "Required value: name or generateName is required"
        errors.append(FieldError("metadata.name", "FieldValueRequired", message))
    elif resource.group.startswith("rbac."):
        check("metadata.name", meta["name"], _PATH_SEGMENT, "may not contain '/' or '%'")
    else:
        what = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character"
        )
        check("metadata.name", meta["name"], _NAME, what)
    for key, value in (meta.get("labels") or {}).items():
        check("metadata.labels", key, _LABEL_KEY, "name part must consist of alphanumeric characters, '-', '_' or '.'")
        check("metadata.labels", value, _LABEL_VALUE, "a valid label must be at most 63 alphanumerics, '-', '_' or '.'")
    return errors


def spec_changed(resource: Resource, before: Obj, after: Obj) -> bool:
    """Whether metadata.generation goes up: anything but metadata and, where it is a subresource, status."""
    ignored = {"metadata", "status"} if resource.has_status else {"metadata"}
    return any(before.get(key) != after.get(key) for key in (set(before) | set(after)) - ignored)
