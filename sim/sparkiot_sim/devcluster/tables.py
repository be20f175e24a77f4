"""Server-side tables: what `kubectl get` prints, for lists and for watches."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.devcluster.resources import Column, Resource

_STEP = re.compile(
    r"\.(?P<name>(?:[\w/-]|\\\.)+)|\['(?P<quoted>[^']+)'\]|\[(?P<index>-?\d+)\]|(?P<all>\[\*\]|\.\*)"
    r"""|\[\?\(@\.(?P<test>[\w.]+)\s*==\s*["'](?P<value>[^"']*)["']\)\]"""
)
_DAY = 86_400
# Seconds of a unit, and the age from which the next one is used, as kubectl does.
_AGE_UNITS = (
    ("s", 1, 120), ("m", 60, _DAY / 8), ("h", 3600, 2 * _DAY), ("d", _DAY, 730 * _DAY), ("y", 365 * _DAY, math.inf),
)  # fmt: skip


@cache
def _steps(path: str) -> tuple[dict[str, str | None], ...]:
    text = path if path.startswith((".", "[")) else f".{path}"
    matches = list(_STEP.finditer(text))
    if "".join(match[0] for match in matches) != text:
        raise ValueError(f"unsupported JSONPath {path!r}")
    return tuple(match.groupdict() for match in matches)


def json_path(obj: Any, path: str) -> list[Any]:
    """Values at a JSONPath of the subset that printer columns use: names, indexes, `[*]`, `[?(@.a=="b")]`.

    Raises ValueError for a path outside of it.
    """
    found = [obj]
    for step in _steps(path):
        found = [value for held in found for value in _take(held, step)]
    return found


def _take(held: Any, step: dict[str, str | None]) -> Iterable[Any]:
    name = (step["name"] or "").replace("\\.", ".") or step["quoted"]
    if name:
        return [held[name]] if isinstance(held, dict) and name in held else []
    if step["all"]:
        return held.values() if isinstance(held, dict) else held if isinstance(held, list) else []
    if not isinstance(held, list):
        return []
    if step["index"]:
        return held[int(step["index"]) :][:1]
    return [item for item in held if [str(v) for v in json_path(item, step["test"] or "")] == [step["value"]]]


def _cell(column: Column, obj: Obj, now: datetime) -> Any:
    source = column.source
    value = source(obj) if callable(source) else next(iter(json_path(obj, source)), None)
    if column.type == "date":
        return _age(value, now)
    if value is None or column.type in ("integer", "number", "boolean"):
        return value
    return value if isinstance(value, str) else str(value)


def _age(timestamp: Any, now: datetime) -> str:
    """Time since then in kubectl's short form: 5s, 3m, 5h, 2d, 3y."""
    if not timestamp:
        return "<unknown>"
    try:
        seconds = max(int((now - datetime.fromisoformat(timestamp)).total_seconds()), 0)
    except (ValueError, TypeError):
        return "<invalid>"
    unit, size = next((unit, size) for unit, size, below in _AGE_UNITS if seconds < below)
    return f"{seconds // size}{unit}"


def table(
    resource: Resource, objects: Sequence[Obj], list_meta: Obj, now: datetime, *, include: str = "Metadata"
) -> Obj:
    """A `Table` of meta.k8s.io/v1; `include` is None, Metadata or Object, and says what each row carries besides."""
    name = {"name": "Name", "type": "string", "format": "name", "priority": 0}
    columns = [{"name": col.name, "type": col.type, "format": "", "priority": col.priority} for col in resource.columns]
    rows = []
    for obj in objects:
        row: Obj = {"cells": [obj["metadata"]["name"], *(_cell(column, obj, now) for column in resource.columns)]}
        if include == "Object":
            row["object"] = obj
        elif include == "Metadata":
            partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
            row["object"] = partial
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "columnDefinitions": [name, *columns],
        "rows": rows,
    }
