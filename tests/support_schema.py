"""Strategies drawn from a structural schema: what an API server admits, before its CEL rules."""

import re
from typing import Any

from hypothesis import strategies as st
from support_fuzz import values

Schema = dict[str, Any]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
EVERYDAY = {
    "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$": ("1s", "10s", "1m", "90s", "1h", "24h", "0s", "500ms", "1.5h", "99999999h"),
    "^[1-9][0-9]*(Mi|Gi)$": ("512Mi", "1Gi", "2Gi", "8Gi", "1Mi", "999999999Gi"),
}
"""By pattern, what people write; regular expressions draw numbers that no rule lets through."""


def admitted(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that fit the schema; with ``x-kubernetes-preserve-unknown-fields`` any object."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _DRAWN[schema["type"]](schema)


def _object(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.just({}) | st.dictionaries(TEXT, values, max_size=3)
    if isinstance(extra := schema.get("additionalProperties"), dict):
        return st.dictionaries(TEXT, admitted(extra), max_size=3)
    required = set(schema.get("required", ()))
    properties = {name: admitted(sub) for name, sub in schema.get("properties", {}).items()}
    return st.fixed_dictionaries(
        {name: drawn for name, drawn in properties.items() if name in required},
        optional={name: drawn for name, drawn in properties.items() if name not in required},
    )


def _array(schema: Schema) -> st.SearchStrategy[Any]:
    return st.lists(admitted(schema["items"]), max_size=min(schema.get("maxItems", 3), 3))


def _string(schema: Schema) -> st.SearchStrategy[Any]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 40)
    if (pattern := schema.get("pattern")) is None:
        return st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=least, max_size=min(most, 40))
    drawn = st.from_regex(re.compile(re.sub(r"\$$", r"\\Z", pattern))).filter(lambda text: len(text) <= most)
    return st.sampled_from(EVERYDAY[pattern]) | drawn if pattern in EVERYDAY else drawn


def _integer(schema: Schema) -> st.SearchStrategy[Any]:
    return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1))


def _number(schema: Schema) -> st.SearchStrategy[Any]:
    bounds = schema.get("minimum"), schema.get("maximum")
    return st.floats(*bounds, allow_nan=False, allow_infinity=False)


_DRAWN = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _: st.booleans(),
}
