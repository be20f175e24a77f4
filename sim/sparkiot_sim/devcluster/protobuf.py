"""Bodies in Kubernetes' protobuf, of the kinds that Helm and `kubectl create` send so; all else they send as JSON.

A body is the magic number, then a `runtime.Unknown` that holds the object. Field numbers are those of the
`generated.proto` files of k8s.io/apimachinery and k8s.io/api; fields that clients leave to the server are left out.
"""

from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

from sparkiot_sim.devcluster.errors import ApiError, Obj, bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_PACKAGE = "sparkiot.devcluster"
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Unknown": {"typeMeta": (1, "TypeMeta"), "raw": (2, "bytes")},
    "TypeMeta": {"apiVersion": (1, "string"), "kind": (2, "string")},
    "ObjectMeta": {
        "name": (1, "string"),
        "generateName": (2, "string"),
        "namespace": (3, "string"),
        "uid": (5, "string"),
        "resourceVersion": (6, "string"),
        "labels": (11, "map of string"),
        "annotations": (12, "map of string"),
        "finalizers": (14, "list of string"),
    },
    "Namespace": {"metadata": (1, "ObjectMeta")},
    "ConfigMap": {
        "metadata": (1, "ObjectMeta"),
        "data": (2, "map of string"),
        "binaryData": (3, "map of bytes"),
        "immutable": (4, "bool"),
    },
    "Secret": {
        "metadata": (1, "ObjectMeta"),
        "data": (2, "map of bytes"),
        "type": (3, "string"),
        "stringData": (4, "map of string"),
        "immutable": (5, "bool"),
    },
    "Preconditions": {"uid": (1, "string"), "resourceVersion": (2, "string")},
    "DeleteOptions": {
        "gracePeriodSeconds": (1, "int32"),
        "preconditions": (2, "Preconditions"),
        "propagationPolicy": (4, "string"),
    },
}
"""Field number and type by name. Types: a scalar's name, `list of` or `map of` one (keys are strings), or a message."""
_KINDS = ("Namespace", "ConfigMap", "Secret", "DeleteOptions")
_Field = descriptor_pb2.FieldDescriptorProto


def decode(body: bytes) -> Obj:
    """The object as JSON would have it. Raises ApiError 415 for another kind, 400 for what cannot be read."""
    if not body.startswith(_MAGIC):
        raise bad_request("the body does not start with the magic number of Kubernetes' protobuf")
    envelope = _parse("Unknown", body[len(_MAGIC) :])
    kind, version = envelope.typeMeta.kind, envelope.typeMeta.apiVersion
    if kind not in _KINDS:
        raise ApiError(
            415,
            "UnsupportedMediaType",
            f"the embedded cluster reads {', '.join(_KINDS)} as protobuf, not {kind or 'an unnamed kind'}: use kubectl "
            "apply -f, or add --dry-run=client -o yaml | kubectl apply -f -",
        )
    fields = json_format.MessageToDict(_parse(kind, envelope.raw))
    # Clients write strings that are not set as empty ones.
    return {"apiVersion": version, "kind": kind, **{name: value for name, value in fields.items() if value != ""}}


def _parse(name: str, content: bytes) -> Message:
    message = _new(name)
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise bad_request(f"the body cannot be read as protobuf: {error}") from error
    return message


def _new(name: str) -> Message:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))()


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="devcluster.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    container, _, item = kind.rpartition(" of ")
    label = _Field.LABEL_REPEATED if container else _Field.LABEL_OPTIONAL
    field = message.field.add(name=name, json_name=name, number=number, label=label)
    if container == "map":
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, item)
        item = f"{message.name}.{entry.name}"
    scalar = {"string": _Field.TYPE_STRING, "bytes": _Field.TYPE_BYTES, "bool": _Field.TYPE_BOOL}
    if kind_number := (scalar | {"int32": _Field.TYPE_INT32}).get(item):
        field.type = kind_number
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{item}"
