"""CEL rules (`x-kubernetes-validations`): compiled once a CRD, evaluated where the object changed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
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
_REASONS = {"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"}


class SchemaError(ValueError):
    """A schema or one of its rules cannot be used; the message names the place in the schema."""


@dataclass(frozen=True)
class Rule:
    """One compiled entry of `x-kubernetes-validations`."""

    program: cel.Program
    message: str
    message_program: cel.Program | None
    field_path: str
    reason: str
    optional_old_self: bool

    @property
    def is_transition(self) -> bool:
        return "oldSelf" in self.program.variables()

    @staticmethod
    def of(entry: Obj, path: str) -> "Rule":
        reason = entry.get("reason", "FieldValueInvalid")
        if reason not in _REASONS:
            raise SchemaError(f"{path}: reason {reason!r} is not one of {', '.join(sorted(_REASONS))}")
        text = str(entry.get("rule", ""))
        return Rule(
            program=_compile(text, path),
            message=entry.get("message") or f"failed rule: {' '.join(text.split())}",
            message_program=_compile(entry["messageExpression"], path) if entry.get("messageExpression") else None,
            field_path=str(entry.get("fieldPath", "")),
            reason=reason,
            optional_old_self=bool(entry.get("optionalOldSelf")),
        )


def _compile(text: str, path: str) -> cel.Program:
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise SchemaError(f"{path}: Invalid value: {text!r}: compilation failed: {error}") from error
    functions = {name for name in program.functions() if name.isidentifier()} - FUNCTIONS.keys() - _BUILT_IN_FUNCTIONS
    bound = {match[1] for match in _COMPREHENSION.finditer(text)}
    variables = {name for name in program.variables() if name.isidentifier()} - bound - _VARIABLES
    if unknown := functions | variables:
        names = ", ".join(f"'{name}'" for name in sorted(unknown))
        raise SchemaError(f"{path}: Invalid value: {text!r}: compilation failed: undeclared reference to {names}")
    return program


@dataclass(frozen=True)
class RuleTree:
    """The part of a schema that has rules: own rules, then properties, map values and list items that have some."""

    schema: Obj
    rules: tuple[Rule, ...]
    properties: dict[str, "RuleTree"]
    values: "RuleTree | None"
    items: "RuleTree | None"

    @staticmethod
    def of(schema: Obj, path: str) -> "RuleTree":
        """Raises SchemaError when a rule cannot compile."""
        rules = tuple(Rule.of(entry, f"{path}.x-kubernetes-validations") for entry in _entries(schema))
        subtrees = {
            name: RuleTree.of(sub, f"{path}.properties[{name}]")
            for name, sub in (schema.get("properties") or {}).items()
        }
        extra, items = schema.get("additionalProperties"), schema.get("items")
        values = RuleTree.of(extra, f"{path}.additionalProperties") if isinstance(extra, dict) else None
        elements = RuleTree.of(items, f"{path}.items") if isinstance(items, dict) else None
        return RuleTree(
            schema=schema,
            rules=rules,
            properties={name: tree for name, tree in subtrees.items() if tree.has_rules},
            values=values if values and values.has_rules else None,
            items=elements if elements and elements.has_rules else None,
        )

    @property
    def has_rules(self) -> bool:
        return bool(self.rules or self.properties or self.values or self.items)

    def evaluate(self, value: Any, old: Any, path: str, missing: object) -> Iterator[FieldError]:
        """Violations at `value` and below; `missing` stands for the old value of what is new."""
        if value is None:
            return
        unchanged = old is not missing and value == old
        if unchanged and not any(rule.is_transition for rule in self.rules):
            return
        for rule in self.rules:
            if (rule.is_transition and old is missing and not rule.optional_old_self) or (
                unchanged and not rule.is_transition
            ):
                continue
            yield from self._check(rule, value, None if old is missing else old, path)
        yield from self._descend(value, old, path, missing)

    def _descend(self, value: Any, old: Any, path: str, missing: object) -> Iterator[FieldError]:
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            for name, held in value.items():
                tree = self.properties.get(name, self.values)
                if tree:
                    where = f"{path}.{name}" if path else name
                    yield from tree.evaluate(held, before.get(name, missing), where, missing)
        elif isinstance(value, list) and self.items:
            for index, item in enumerate(value):
                yield from self.items.evaluate(item, self._old_item(item, old, missing), f"{path}[{index}]", missing)

    def _old_item(self, item: Any, old: Any, missing: object) -> Any:
        keys = self.schema.get("x-kubernetes-list-map-keys")
        if not keys or not isinstance(old, list):
            return missing
        return next((was for was in old if all(was.get(key) == item.get(key) for key in keys)), missing)

    def _check(self, rule: Rule, value: Any, old: Any, path: str) -> Iterator[FieldError]:
        variables = {"self": to_cel(self.schema, value)}
        if rule.is_transition:
            variables["oldSelf"] = None if old is None else to_cel(self.schema, old)
        context = cel.Context(variables=variables, functions=FUNCTIONS)
        where = path + rule.field_path if path else rule.field_path.removeprefix(".")
        shown = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else str(value)
        try:
            if rule.program.execute(context) is True:
                return
            message = str(rule.message_program.execute(context)) if rule.message_program else rule.message
        except (TypeError, ValueError, RuntimeError, KeyError, IndexError, ArithmeticError) as error:
            message = f"rule evaluation error: {error} evaluating rule: {rule.message}"
        yield FieldError(where or "<root>", rule.reason, f'Invalid value: "{shown}": {message}')


def _entries(schema: Obj) -> list[Obj]:
    return schema.get("x-kubernetes-validations") or []


def to_cel(schema: Obj, value: Any) -> Any:
    """`value` with the types and names that rules see: numbers as doubles, reserved property names escaped."""
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        default = extra if isinstance(extra, dict) else {}
        return {
            (escape(name) if name in properties else name): to_cel(properties.get(name, default), held)
            for name, held in value.items()
        }
    if isinstance(value, list):
        return [to_cel(schema.get("items") or {}, item) for item in value]
    if isinstance(value, int) and schema.get("type") == "number":
        return float(value)
    if isinstance(value, float) and schema.get("type") == "integer":
        return int(value)
    return value


def escape(name: str) -> str:
    """A property's name as a CEL identifier, by the rules of Kubernetes' documentation of CRD validation."""
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[./-]", lambda match: _ESCAPES[match[0]], name)
