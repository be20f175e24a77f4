"""CEL rules (`x-kubernetes-validations`): each compiled once, evaluated where the object changed."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import cel

from sparkiot_sim.devcluster.celfunctions import FUNCTIONS
from sparkiot_sim.devcluster.errors import FieldError, Obj

# What needs no registration; operators and macros are not identifiers.
_TYPES = {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"}
_BUILT_IN_FUNCTIONS = _TYPES | {
    *("size", "matches", "contains", "startsWith", "endsWith", "has", "duration", "timestamp", "dyn", "max", "min"),
    *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
    *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
}
_VARIABLES = _TYPES | {"self", "oldSelf"}
_COMPREHENSION = re.compile(r"\.(?:all|exists|exists_one|existsOne|map|filter)\(\s*(\w+)\s*,")
_RESERVED = {
    *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
    *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
}
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


MISSING: Any = object()


class SchemaError(ValueError):
    """A schema or one of its rules cannot be used; the message names the place in the schema."""


@cache
def _compile(text: str) -> cel.Program:
    """Raises ValueError when it is not CEL or names what is not there."""
    program = cel.compile(text)
    functions = {name for name in program.functions() if name.isidentifier()} - FUNCTIONS.keys() - _BUILT_IN_FUNCTIONS
    bound = {match[1] for match in _COMPREHENSION.finditer(text)}
    variables = {name for name in program.variables() if name.isidentifier()} - bound - _VARIABLES
    if unknown := functions | variables:
        raise ValueError(f"undeclared reference to {', '.join(map(repr, sorted(unknown)))}")
    return program


def check_rules(schema: Obj, path: str) -> None:
    """Raises SchemaError for a rule of this very schema that does not compile."""
    for rule in schema.get("x-kubernetes-validations") or ():
        for text in filter(None, (rule.get("rule"), rule.get("messageExpression"))):
            try:
                _compile(text)
            except ValueError as error:
                where = f"{path}.x-kubernetes-validations"
                raise SchemaError(f"{where}: Invalid value: {text!r}: compilation failed: {error}") from error


def evaluate(schema: Obj, value: Any, old: Any, path: str) -> Iterator[FieldError]:
    """Violations at `value` and below; `old` is MISSING for what is new, and what did not change is skipped."""
    if value is None or value == old:
        return
    for rule in schema.get("x-kubernetes-validations") or ():
        if old is not MISSING or "oldSelf" not in _compile(rule["rule"]).variables():
            yield from _judge(schema, rule, value, old, path)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, held in value.items():
            sub = properties.get(name, extra)
            if isinstance(sub, dict):
                yield from evaluate(sub, held, before.get(name, MISSING), f"{path}.{name}" if path else name)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from evaluate(schema["items"], item, _old_item(schema, item, old), f"{path}[{index}]")


def _old_item(schema: Obj, item: Any, old: Any) -> Any:
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(old, list):
        return MISSING
    return next((was for was in old if all(was.get(key) == item.get(key) for key in keys)), MISSING)


def _judge(schema: Obj, rule: Obj, value: Any, old: Any, path: str) -> Iterator[FieldError]:
    message = rule.get("message") or f"failed rule: {' '.join(rule['rule'].split())}"
    try:
        variables = {"self": to_cel(schema, value)} | ({} if old is MISSING else {"oldSelf": to_cel(schema, old)})
        context = cel.Context(variables=variables, functions=FUNCTIONS)
        if _compile(rule["rule"]).execute(context) is True:
            return
        if "messageExpression" in rule:
            message = str(_compile(rule["messageExpression"]).execute(context))
    except (TypeError, ValueError, RuntimeError, KeyError, IndexError, ArithmeticError) as error:
        message = f"rule evaluation error: {error} evaluating rule: {message}"
    where = f"{path}{rule.get('fieldPath', '')}".removeprefix(".") or "<root>"
    shown = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else str(value)
    yield FieldError(where, rule.get("reason", "FieldValueInvalid"), f'Invalid value: "{shown}": {message}')


def to_cel(schema: Obj, value: Any) -> Any:
    """`value` with the types and names that rules see: numbers as doubles, reserved property names escaped. Raises
    OverflowError for a number that is none of 64 bits."""
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        default = extra if isinstance(extra, dict) else {}
        return {
            (escape(name) if name in properties else name): to_cel(properties.get(name, default), held)
            for name, held in value.items()
        }
    if isinstance(value, list):
        return [to_cel(schema.get("items") or {}, item) for item in value]
    if isinstance(value, int) and (schema.get("type") == "number" or not -(2**63) <= value < 2**63):
        return float(value)  # as Kubernetes reads what is no int64
    if isinstance(value, float) and schema.get("type") == "integer":
        return int(value)
    return value


def escape(name: str) -> str:
    """A property's name as a CEL identifier, by the rules of Kubernetes' documentation of CRD validation."""
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[./-]", lambda match: _ESCAPES[match[0]], name)
