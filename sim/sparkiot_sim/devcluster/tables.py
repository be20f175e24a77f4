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
    """Time since then in kubectl's short form: 5s, 3m20s, 5h, 2d4h, 1y10d."""
    if not timestamp:
        return "<unknown>"
    try:
        seconds = int((now - datetime.fromisoformat(timestamp)).total_seconds())
    except (ValueError, TypeError):
        return "<invalid>"
    return _short_duration(max(seconds, 0))


# Up to this many seconds an age shows this unit and, if any, the rest in the next smaller one.
_AGE_STEPS = (
    (120, 1, "s", 0, ""),
    (600, 60, "m", 1, "s"),
    (3 * 3600, 60, "m", 0, ""),
    (8 * 3600, 3600, "h", 60, "m"),
    (48 * 3600, 3600, "h", 0, ""),
    (8 * 86_400, 86_400, "d", 3600, "h"),
    (2 * 365 * 86_400, 86_400, "d", 0, ""),
    (8 * 365 * 86_400, 365 * 86_400, "y", 86_400, "d"),
    (math.inf, 365 * 86_400, "y", 0, ""),
)


def _short_duration(seconds: int) -> str:
    _, large, unit, small, rest_unit = next(step for step in _AGE_STEPS if seconds < step[0])
    whole, left = divmod(seconds, large)
    return f"{whole}{unit}{left // small}{rest_unit}" if small and left >= small else f"{whole}{unit}"


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
