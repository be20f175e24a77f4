"""Selectors, JSONPaths and tables: forms that requests and answers take."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_sim.devcluster.errors import ApiError
from sparkiot_sim.devcluster.resources import BUILT_IN
from sparkiot_sim.devcluster.selectors import field_test, label_test
from sparkiot_sim.devcluster.tables import json_path, table

labels = st.dictionaries(st.sampled_from(["a", "b", "x.io/c"]), st.sampled_from(["1", "2", "v"]))


@given(labels, st.sampled_from(["a", "b", "x.io/c"]), st.sampled_from(["1", "2", "v"]))
def test_a_requirement_and_its_opposite(held: dict[str, str], key: str, value: str) -> None:
    for positive, negative in (
        (f"{key}={value}", f"{key}!={value}"),
        (f"{key} in ({value})", f"{key} notin ({value})"),
        (key, f"!{key}"),
    ):
        assert label_test(positive)(held) != label_test(negative)(held)
    assert label_test(f"{key}={value}")(held) == (held.get(key) == value)
    assert label_test(f"{key}={value},{key}")(held) == label_test(f"{key}=={value}")(held)


@given(st.text("ab=!,()<>in ", max_size=12))
def test_any_text_is_a_selector_or_a_bad_request(text: str) -> None:
    try:
        test = label_test(text)
    except ApiError as error:
        refused = error.code
    else:
        refused = 400 if test({"a": "b"}) in (True, False) else 0
    assert refused == 400


def test_field_selectors_know_their_fields() -> None:
    obj = {"metadata": {"name": "a"}, "status": {"phase": "Running"}}
    for selector, expected in (("metadata.name=a", True), ("status.phase!=Running", False), ("status.phase==", False)):
        test = field_test(selector, ["status.phase"])
        assert test(obj) == expected
    for wrong in ("spec.x=1", "metadata.name", "=a"):
        with pytest.raises(ApiError):
            field_test(wrong, [])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".a.b", [1]),
        (".list[0].n", ["x"]),
        (".list[-1].n", ["y"]),
        (".list[*].n", ["x", "y"]),
        ('.list[?(@.n=="y")].v', [2]),
        (".a['b']", [1]),
        (".labels.x\\.io/y", ["z"]),
        (".nothing.at.all", []),
        ("a.b", [1]),
    ],
)
def test_json_paths(path: str, expected: list[object]) -> None:
    obj = {"a": {"b": 1}, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}], "labels": {"x.io/y": "z"}}
    assert json_path(obj, path) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (119, "119s"), (120, "2m"), (660, "11m"), (3 * 3600, "3h"), (4 * 3600 + 60, "4h")),
        *((50 * 3600, "2d"), (729 * 86_400, "729d"), (9 * 365 * 86_400, "9y")),
        (-5, "0s"),
    ],
)
def test_ages_are_short(seconds: int, text: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    created = (now - timedelta(seconds=seconds)).isoformat()
    resource = next(resource for resource in BUILT_IN if resource.kind == "ServiceAccount")
    shown = table(resource, [{"metadata": {"name": "a", "creationTimestamp": created}}], {}, now)
    assert shown["rows"][0]["cells"] == ["a", text]


def test_every_built_in_kind_has_a_table_for_an_empty_object() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for resource in BUILT_IN:
        bare = {"metadata": {"name": "a"}, "roleRef": {"kind": "Role", "name": "r"}}
        (row,) = table(resource, [bare], {}, now)["rows"]
        assert len(row["cells"]) == len(resource.columns) + 1
