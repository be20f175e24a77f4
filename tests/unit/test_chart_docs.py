"""The reference page of the chart's values: how comments are read, and that no value is without one."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from sparkiot_operator.chart_docs import CHART, Comment, comments, values_page

EXAMPLE = """\
# Of the file, not of a value.

# -- First line,
# second line.
name: ""

outer:
  # Of a group.
  inner:
    # -- A value: with a colon.
    value: {a: 1}
    plain: 2
  # -- Back again.
  other2: []
"""


def test_comments_belong_to_the_key_below_them() -> None:
    assert list(comments(EXAMPLE)) == [
        Comment(("name",), "First line, second line.", described=True),
        Comment(("outer", "inner"), "Of a group.", described=False),
        Comment(("outer", "inner", "value"), "A value: with a colon.", described=True),
        Comment(("outer", "other2"), "Back again.", described=True),
    ]


def leaves(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if "properties" not in schema:
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from leaves(child, (*path, name))


def test_every_value_is_described_itself_or_together_with_those_beside_it() -> None:
    described = {c.path for c in comments((CHART / "values.yaml").read_text()) if c.described}
    schema = json.loads((CHART / "values.schema.json").read_text())
    bare = [
        ".".join(path)
        for path in leaves(schema)
        if path != ("global",) and not any(path[:depth] in described for depth in range(1, len(path) + 1))
    ]
    assert bare == []


def test_the_page_shows_type_and_default_as_they_are() -> None:
    sections = values_page().split("\n## ")
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert len(sections) == 1 + len(list(comments((CHART / "values.yaml").read_text())))
    by_name = {section.split("`")[1]: section for section in sections[1:]}
    assert "Integer, 0 or more, default `1`." in by_name["operator.replicas"]
    assert '`Always` or `IfNotPresent` or `Never`, default `"IfNotPresent"`.' in by_name["image.pullPolicy"]
    assert f"default `{json.dumps(values['resources'])}`" in by_name["resources"]
    assert "default" not in by_name["policies.s3"]
