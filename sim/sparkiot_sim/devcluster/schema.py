"""Structural schemas of custom resources: defaults, pruning, validation with Kubernetes' words.

Validation of an update skips what did not change (ratcheting, as Kubernetes does since 1.33): an object that became
invalid because its CRD changed can still be repaired piece by piece, and a status patch does not pay for the spec.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from sparkiot_sim.devcluster.errors import FieldError, Obj
from sparkiot_sim.devcluster.rules import MISSING, SchemaError, check_rules, evaluate

_IMPLICIT = ("apiVersion", "kind", "metadata")  # present in every object, whether or not the schema lists them


class StructuralSchema:
    """An `openAPIV3Schema` with its CEL rules compiled.

    Raises SchemaError when it is not structural or a rule cannot compile.
    """

    def __init__(self, schema: Obj) -> None:
        _check_structure(schema, "openAPIV3Schema")
        self.root = schema

    def apply_defaults(self, obj: Obj) -> None:
        """Fills in defaults, in place, also below values that came from defaults."""
        _default(self.root, obj)

    def prune(self, obj: Obj) -> list[str]:
        """Drops fields that the schema does not know, in place; gives their paths."""
        return list(_prune(self.root, obj, "", root=True))

    def validate(self, obj: Obj, old: Obj | None) -> list[FieldError]:
        """Every violation; `old` is the object before an update, None for a creation."""
        errors = list(_validate(self.root, obj, MISSING if old is None else old, ""))
        # Rules may count on types: they only run on an object that fits its schema.
        return errors or list(evaluate(self.root, obj, MISSING if old is None else old, ""))


def _check_structure(schema: Any, path: str) -> None:
    """Raises SchemaError where the rest of this module could not make sense of the schema."""
    if not isinstance(schema, dict):
        raise SchemaError(f"{path}: must be an object")
    if "$ref" in schema:
        raise SchemaError(f"{path}.$ref: Forbidden: references are not structural")
    if "type" in schema and schema["type"] not in _TYPES:
        raise SchemaError(f'{path}.type: Unsupported value: "{schema["type"]}"')
    try:
        re.compile(schema.get("pattern", ""))
    except (re.error, TypeError) as error:
        raise SchemaError(f"{path}.pattern: Invalid value: {error}") from error
    check_rules(schema, path)
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    if not isinstance(properties, dict):
        raise SchemaError(f"{path}.properties: must be an object")
    for name, sub in properties.items():
        _check_structure(sub, f"{path}.properties[{name}]")
    if extra is not None and not isinstance(extra, bool):
        _check_structure(extra, f"{path}.additionalProperties")
    if "items" in schema:
        _check_structure(schema["items"], f"{path}.items")


def child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _default(schema: Obj, value: Any) -> None:
    if isinstance(value, dict):
        extra = schema.get("additionalProperties")
        properties = schema.get("properties") or {}
        for name, sub in properties.items():
            # A null where none is allowed is replaced by the default, as Kubernetes does.
            unset = name not in value or (value[name] is None and not sub.get("nullable"))
            if unset and "default" in sub:
                value[name] = orjson.loads(orjson.dumps(sub["default"]))
            if name in value:
                _default(sub, value[name])
        if isinstance(extra, dict):
            for name in value.keys() - properties.keys():
                _default(extra, value[name])
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _default(schema["items"], item)


def _prune(schema: Obj, value: Any, path: str, *, root: bool = False) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value if "items" in schema else ()):
            yield from _prune(schema["items"], item, f"{path}[{index}]")
    elif isinstance(value, dict):
        embedded = root or schema.get("x-kubernetes-embedded-resource")
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name in list(value):
            sub = properties.get(name, extra)
            if embedded and name in _IMPLICIT:
                continue
            if isinstance(sub, dict):
                yield from _prune(sub, value[name], child(path, name))
            elif not sub and not schema.get("x-kubernetes-preserve-unknown-fields"):
                del value[name]
                yield child(path, name)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: (isinstance(value, int) and not isinstance(value, bool)) or _integral(value),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def _integral(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for name, test in _TYPES.items() if test(value))


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode() if not isinstance(value, dict | list) else f'"{_type_name(value)}"'


def _invalid(path: str, value: Any, what: str) -> FieldError:
    where = path or "<root>"
    return FieldError(where, "FieldValueInvalid", f"Invalid value: {_shown(value)}: {where} in body {what}")


def _validate(schema: Obj, value: Any, old: Any, path: str) -> Iterator[FieldError]:
    if old is not MISSING and value == old:
        return
    if value is None and schema.get("nullable"):
        return
    int_or_string = schema.get("x-kubernetes-int-or-string")
    wanted = schema.get("type")
    if int_or_string and not isinstance(value, str) and not _TYPES["integer"](value):
        yield _invalid(path, value, f'must be of type integer or string: "{_type_name(value)}"')
        return
    if not int_or_string and wanted and not _TYPES[wanted](value):
        given = _type_name(value)
        message = f'Invalid value: "{given}": {path} in body must be of type {wanted}: "{given}"'
        yield FieldError(path, "FieldValueTypeInvalid", message)
        return
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(_shown(option) for option in schema["enum"])
        message = f"Unsupported value: {_shown(value)}: supported values: {allowed}"
        yield FieldError(path, "FieldValueNotSupported", message)
    if isinstance(value, dict):
        yield from _validate_object(schema, value, old if isinstance(old, dict) else {}, path, fresh=old is MISSING)
    elif isinstance(value, list):
        yield from _validate_array(schema, value, path)
    elif isinstance(value, str):
        yield from _validate_string(schema, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _validate_number(schema, value, path)
    yield from _validate_logic(schema, value, path)


def _validate_object(schema: Obj, value: Obj, old: Obj, path: str, *, fresh: bool) -> Iterator[FieldError]:
    for name in schema.get("required") or ():
        if name not in value:
            yield FieldError(child(path, name), "FieldValueRequired", "Required value")
    yield from _count(schema, value, path, "properties")
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, held in value.items():
        sub = properties.get(name, extra)
        if isinstance(sub, dict) and not (not path and name == "metadata"):
            before = MISSING if fresh else old.get(name, MISSING)
            yield from _validate(sub, held, before, child(path, name))


def _validate_array(schema: Obj, value: list[Any], path: str) -> Iterator[FieldError]:
    yield from _count(schema, value, path, "items")
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    seen: list[Any] = []
    for index, item in enumerate(value):
        yield from _validate(schema.get("items") or {}, item, MISSING, f"{path}[{index}]")
        if kind in ("set", "map"):
            identity = {key: item.get(key) for key in keys} if kind == "map" and isinstance(item, dict) else item
            if identity in seen:
                shown = orjson.dumps(identity).decode()
                yield FieldError(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {shown}")
            seen.append(identity)


def _count(schema: Obj, value: Any, path: str, noun: str) -> Iterator[FieldError]:
    least, most = schema.get(f"min{noun.title()}", 0), schema.get(f"max{noun.title()}", math.inf)
    if len(value) < least:
        yield _invalid(path, value, f"should have at least {least} {noun}")
    if len(value) > most:
        message = f"Too many: {len(value)}: must have at most {most} {noun}"
        yield FieldError(path, "FieldValueTooMany", message)


_AT_END = re.compile(r"(?<!\\)\$\Z")


def _validate_string(schema: Obj, value: str, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        yield _invalid(path, value, f"should be at least {schema['minLength']} chars long")
    if len(value) > schema.get("maxLength", math.inf):
        message = f"Too long: may not be more than {schema['maxLength']} characters"
        yield FieldError(path, "FieldValueTooLong", message)
    # In Python, $ also matches before a line feed at the end; in Kubernetes' expressions it does not.
    if "pattern" in schema and not re.search(_AT_END.sub(r"\\Z", schema["pattern"]), value):
        yield _invalid(path, value, f"should match '{schema['pattern']}'")


def _validate_number(schema: Obj, value: float, path: str) -> Iterator[FieldError]:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if value < least or (value == least and schema.get("exclusiveMinimum")):
        relation = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield _invalid(path, value, f"should be {relation} {least}")
    if value > most or (value == most and schema.get("exclusiveMaximum")):
        relation = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield _invalid(path, value, f"should be {relation} {most}")


def _validate_logic(schema: Obj, value: Any, path: str) -> Iterator[FieldError]:
    for sub in schema.get("allOf") or ():
        yield from _validate(sub, value, MISSING, path)
    if "anyOf" in schema and not any(_fits(sub, value, path) for sub in schema["anyOf"]):
        yield _invalid(path, value, "must validate at least one schema (anyOf)")
    if "oneOf" in schema and sum(_fits(sub, value, path) for sub in schema["oneOf"]) != 1:
        yield _invalid(path, value, "must validate one and only one schema (oneOf)")
    if "not" in schema and _fits(schema["not"], value, path):
        yield _invalid(path, value, "must not validate the schema (not)")


def _fits(schema: Obj, value: Any, path: str) -> bool:
    return next(_validate(schema, value, MISSING, path), None) is None
