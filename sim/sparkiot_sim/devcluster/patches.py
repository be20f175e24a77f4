"""The patch types that need no memory: JSON patch, JSON merge patch and strategic merge patch.

Strategic merge knows the built-in kinds' lists by name (`LIST_KEYS`); Kubernetes has the same facts as struct tags.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jsonpatch
import jsonpointer
import orjson

from sparkiot_sim.devcluster.bodies import BODY_LIMIT, check_depth
from sparkiot_sim.devcluster.errors import ApiError, Obj, bad_request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

MOST_COPIED = BODY_LIMIT
"""Bytes that the copies of a JSON patch may add: each can double what the one before it made. Kubernetes' limit too."""

# Lists of built-in kinds that merge by key; () merges as a set of values. Others are atomic.
# Source: patchMergeKey and listMapKey of k8s.io/api, v1.34.
LIST_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "containers": ("name",),
        "initContainers": ("name",),
        "env": ("name",),
        "volumes": ("name",),
        "volumeMounts": ("mountPath",),
        "imagePullSecrets": ("name",),
        "secrets": ("name",),
        "conditions": ("type",),
        "podIPs": ("ip",),
        "hostIPs": ("ip",),
        "ownerReferences": ("uid",),
        "finalizers": (),
    }
)
_PORT_KEYS = ("containerPort", "port")  # container ports and service ports share the name of the list


def list_keys(field: str, items: list[Any]) -> tuple[str, ...] | None:
    """How a built-in kind's list merges: by these keys, () by value, None not at all."""
    keys = LIST_KEYS.get(field)
    if field != "ports" and not keys:
        return keys
    if not all(isinstance(item, dict) for item in items):
        return None  # nothing checks built-in kinds against a schema, so a list may hold anything
    return keys or next(((key, "protocol") for key in _PORT_KEYS if items and key in items[0]), None)


def item_key(item: Obj, keys: tuple[str, ...]) -> str:
    """What identifies an item in its list, as fieldsV1 writes it."""
    identity = {key: item.get(key, "TCP" if key == "protocol" else None) for key in keys}
    return orjson.dumps(identity, option=orjson.OPT_SORT_KEYS).decode()


def json_patch(target: Obj, operations: Any) -> Obj:
    """RFC 6902; the target is changed and returned.

    Raises ApiError 400 for a malformed patch, 413 for one that copies too much, 422 for one that does not apply.
    """
    if not isinstance(operations, list):
        raise bad_request("a JSON patch is a list of operations")
    patched, copied = target, 0
    try:
        for operation in operations:
            if isinstance(operation, dict) and operation.get("op") == "copy":
                copied += len(orjson.dumps(jsonpointer.resolve_pointer(patched, operation["from"])))
                if copied > MOST_COPIED:
                    raise ApiError(413, "RequestEntityTooLarge", f"a JSON patch may copy {MOST_COPIED} bytes at most")
            patched = jsonpatch.apply_patch(patched, [operation], in_place=True)
        check_depth(patched)
    except (jsonpatch.JsonPatchConflict, jsonpatch.JsonPatchTestFailed, jsonpointer.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise ApiError(422, "Invalid", message) from error
    except (jsonpatch.JsonPatchException, TypeError, KeyError, RecursionError) as error:
        raise bad_request(f"error decoding patch: {error}") from error
    return patched


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386; the target is changed and returned."""
    if not isinstance(patch, dict):
        return patch
    result = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(target: Any, patch: Obj) -> Any:
    """Like a merge patch, but known lists merge by key; obeys $patch, $deleteFromPrimitiveList and $retainKeys.

    The target is changed and returned. Items keep their order: $setElementOrder is ignored.
    """
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = target if isinstance(target, dict) else {}
    if retained := patch.get("$retainKeys"):
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        directive, _, field = key.partition("/")
        if directive == "$deleteFromPrimitiveList":
            result[field] = [item for item in _list(result.get(field)) if item not in value]
        elif key.startswith("$"):
            continue
        elif value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = strategic_merge(result.get(key), value)
        elif isinstance(value, list):
            result[key] = _merge_lists(key, _list(result.get(key)), value)
        else:
            result[key] = value
    return result


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _merge_lists(field: str, live: list[Any], patch: list[Any]) -> list[Any]:
    keys = list_keys(field, [*live, *patch])
    if keys is None:
        return patch
    if keys == ():
        return live + [item for item in patch if item not in live]
    merged = {item_key(item, keys): item for item in live}
    for item in patch:
        where = item_key(item, keys)
        if item.get("$patch") == "delete":
            merged.pop(where, None)
        else:
            merged[where] = strategic_merge(merged.get(where), item)
    return list(merged.values())
