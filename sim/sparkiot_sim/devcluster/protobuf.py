"""Just enough protobuf to read what kubectl sends that way: `create` of small kinds and `auth can-i`.

kubectl offers no JSON for these and does not fall back. Everything else (apply, edit, patch, delete) is JSON, and so is
every answer. Field numbers: generated.proto of k8s.io/api and k8s.io/apimachinery, where they never change.
"""

import base64
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sparkiot_sim.devcluster.errors import ApiError, Obj, bad_request

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

# Message to its fields: number to name and type. `*` repeated, `map` of strings, `bytemap` of base64, else a message.
_MESSAGES: Mapping[str, Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        "ObjectMeta": {
            1: ("name", "string"),
            2: ("generateName", "string"),
            3: ("namespace", "string"),
            11: ("labels", "map"),
            12: ("annotations", "map"),
        },
        "Namespace": {1: ("metadata", "ObjectMeta")},
        "ConfigMap": {
            1: ("metadata", "ObjectMeta"),
            2: ("data", "map"),
            3: ("binaryData", "bytemap"),
            4: ("immutable", "bool"),
        },
        "Secret": {
            1: ("metadata", "ObjectMeta"),
            2: ("data", "bytemap"),
            3: ("type", "string"),
            4: ("stringData", "map"),
            5: ("immutable", "bool"),
        },
        "ServiceAccount": {1: ("metadata", "ObjectMeta"), 4: ("automountServiceAccountToken", "bool")},
        "Role": {1: ("metadata", "ObjectMeta"), 2: ("rules", "*PolicyRule")},
        "ClusterRole": {1: ("metadata", "ObjectMeta"), 2: ("rules", "*PolicyRule")},
        "PolicyRule": {
            1: ("verbs", "*string"),
            2: ("apiGroups", "*string"),
            3: ("resources", "*string"),
            4: ("resourceNames", "*string"),
            5: ("nonResourceURLs", "*string"),
        },
        "RoleBinding": {1: ("metadata", "ObjectMeta"), 2: ("subjects", "*Subject"), 3: ("roleRef", "RoleRef")},
        "ClusterRoleBinding": {1: ("metadata", "ObjectMeta"), 2: ("subjects", "*Subject"), 3: ("roleRef", "RoleRef")},
        "Subject": {
            1: ("kind", "string"),
            2: ("apiGroup", "string"),
            3: ("name", "string"),
            4: ("namespace", "string"),
        },
        "RoleRef": {1: ("apiGroup", "string"), 2: ("kind", "string"), 3: ("name", "string")},
        "SelfSubjectReview": {1: ("metadata", "ObjectMeta")},
        "SelfSubjectAccessReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "SelfSubjectAccessReviewSpec")},
        "SelfSubjectAccessReviewSpec": {1: ("resourceAttributes", "ResourceAttributes")},
        "ResourceAttributes": {
            1: ("namespace", "string"),
            2: ("verb", "string"),
            3: ("group", "string"),
            4: ("version", "string"),
            5: ("resource", "string"),
            6: ("subresource", "string"),
            7: ("name", "string"),
        },
    }
)


def decode(content: bytes) -> Obj:
    """The object in Kubernetes' protobuf envelope.

    Raises ApiError 400 for malformed bytes, 415 for a kind that is not in the table.
    """
    try:
        if not content.startswith(_MAGIC):
            raise bad_request("the body of the request lacks the protobuf prefix")
        envelope = dict(_fields(content[len(_MAGIC) :]))
        type_meta = {number: value.decode() for number, value in _fields(envelope[1])}
        kind = type_meta[2]
        if kind not in _MESSAGES:
            message = f"{kind} is not accepted as {PROTOBUF}: send it as JSON, for example with kubectl apply -f"
            raise ApiError(415, "UnsupportedMediaType", message)
        return {"apiVersion": type_meta[1], "kind": kind} | _message(kind, envelope[2])
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise bad_request(f"the body of the request is not protobuf: {error}") from error


def _message(name: str, content: bytes) -> Obj:
    found: Obj = {}
    for number, value in _fields(content):
        field, kind = _MESSAGES[name].get(number, ("", ""))
        if kind in ("map", "bytemap"):
            entry = dict(_fields(value))
            found.setdefault(field, {})[entry.get(1, b"").decode()] = _scalar(kind, entry.get(2, b""))
        elif kind.startswith("*"):
            found.setdefault(field, []).append(_scalar(kind[1:], value))
        elif kind and value != b"":
            found[field] = _scalar(kind, value)
    return found


def _scalar(kind: str, value: Any) -> Any:
    match kind:
        case "string" | "map":
            return value.decode()
        case "bytemap":
            return base64.b64encode(value).decode()
        case "bool":
            return bool(value)
        case _:
            return _message(kind, value)


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers with their values: int for a varint, bytes for what has a length."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        value: int | bytes
        if tag & 7 == 0:
            value, position = _varint(content, position)
        elif tag & 7 == 2:
            length, position = _varint(content, position)
            value, position = content[position : position + length], position + length
            if position > len(content):
                raise ValueError("it is cut off")
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
