"""Pod templates merge predictably: maps by key, known lists by identity, everything else whole."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_operator.spark.template import LISTS, TemplateError, merge

Json = dict[str, Any]

_VALUES = st.one_of(st.integers(), st.text(max_size=3), st.booleans())
_NAMES = st.sampled_from(["a", "b", "c"])


def _unique(key: str, others: st.SearchStrategy[Json]) -> st.SearchStrategy[list[Json]]:
    item = st.builds(lambda name, rest: {**rest, key: name}, _NAMES, others)
    return st.lists(item, max_size=3, unique_by=lambda found: str(found[key]))


_ENV = _unique("name", st.fixed_dictionaries({}, optional={"value": st.text(max_size=3)}))
_CONTAINERS = _unique(
    "name",
    st.fixed_dictionaries(
        {},
        optional={
            "image": _NAMES,
            "args": st.lists(_NAMES, max_size=2),
            "env": _ENV,
            "resources": st.dictionaries(_NAMES, st.dictionaries(_NAMES, _VALUES, max_size=2), max_size=2),
        },
    ),
)
PODS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"labels": st.dictionaries(_NAMES, _NAMES, max_size=3)}),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": _CONTAINERS,
                "volumes": _unique("name", st.dictionaries(_NAMES, st.dictionaries(_NAMES, _VALUES), max_size=2)),
                "nodeSelector": st.dictionaries(_NAMES, _NAMES, max_size=3),
                "tolerations": st.lists(
                    st.fixed_dictionaries({"key": _NAMES}), max_size=2, unique_by=lambda t: t["key"]
                ),
            },
        ),
    },
)


@given(PODS)
def test_nothing_changes_nothing(pod: Json) -> None:
    assert merge(pod, {}) == pod
    assert merge({}, pod) == pod


@given(PODS, PODS)
def test_merging_twice_is_merging_once(base: Json, overlay: Json) -> None:
    once = merge(base, overlay)
    assert merge(once, overlay) == once


@given(PODS, PODS)
def test_the_arguments_are_left_alone(base: Json, overlay: Json) -> None:
    before = copy.deepcopy((base, overlay))
    merge(base, overlay)
    assert (base, overlay) == before


def _holds(merged: Any, overlay: Any, key: str = "") -> bool:
    """Whether everything that the overlay says is in the result."""
    if isinstance(overlay, dict):
        return all(name in merged and _holds(merged[name], value, name) for name, value in overlay.items())
    if isinstance(overlay, list) and key in LISTS:
        identity = LISTS[key].identity
        found = {tuple(item.get(name) for name in identity): item for item in merged}
        return all(_holds(found[tuple(item.get(name) for name in identity)], item) for item in overlay)
    return bool(merged == overlay)


@given(PODS, PODS)
def test_the_overlay_wins(base: Json, overlay: Json) -> None:
    assert _holds(merge(base, overlay), overlay)


def test_lists_without_a_key_are_replaced_and_keyed_ones_are_merged_in_order() -> None:
    base = {"containers": [{"name": "main", "args": ["x"], "env": [{"name": "A", "value": "1"}]}, {"name": "side"}]}
    overlay = {
        "containers": [
            {"name": "more"},
            {"name": "main", "args": ["y"], "env": [{"name": "A", "valueFrom": {}}, {"name": "B", "value": "2"}]},
        ]
    }
    assert merge(base, overlay) == {
        "containers": [
            # A variable is replaced whole: value and valueFrom together would be refused.
            {"name": "main", "args": ["y"], "env": [{"name": "A", "valueFrom": {}}, {"name": "B", "value": "2"}]},
            {"name": "side"},
            {"name": "more"},
        ]
    }


@pytest.mark.parametrize(
    ("overlay", "path", "message"),
    [
        ({"spec": "x"}, "spec", "must be a map, not a value"),
        ({"spec": {"containers": {}}}, "spec.containers", "must be a list, not a map"),
        ({"spec": {"containers": ["x"]}}, "spec.containers[0]", "must be a map, not a value"),
        ({"spec": {"containers": [{"image": "x"}]}}, "spec.containers[0]", "has no name, by which it is merged"),
        ({"spec": {"containers": [{"name": ["x"]}]}}, "spec.containers[0].name", "must be a value, not a list"),
        (
            {"spec": {"containers": [{"name": "main", "env": [{"value": "1"}]}]}},
            "spec.containers[0].env[0]",
            "has no name, by which it is merged",
        ),
    ],
)
def test_another_shape_is_refused_with_its_place(overlay: Json, path: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        merge({"spec": {"containers": [{"name": "main"}]}}, overlay)
    assert caught.value.path == path
