"""Patches and ownership as pure functions; the wide properties that a request by request test cannot show."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_sim.devcluster.errors import ApiError
from sparkiot_sim.devcluster.managed import Manager, Shape, apply, leaves, read_owned, track_update, write_owned
from sparkiot_sim.devcluster.patches import json_patch, merge_patch, strategic_merge

Obj = dict[str, Any]
keys = st.sampled_from(["a", "b", "c", "d"])
leaf = st.integers(0, 3) | st.text("xy", max_size=2) | st.lists(st.integers(0, 2), max_size=2)
objects = st.recursive(
    st.dictionaries(keys, leaf, max_size=3), lambda inner: st.dictionaries(keys, leaf | inner, max_size=3), max_leaves=8
)
# Two configurations of one kind: a path has the same type in both, as a schema would see to.
typed = st.fixed_dictionaries({}, optional={"a": st.dictionaries(keys, st.integers(0, 2)), "b": st.integers(0, 2)})
UNTYPED = Shape({})
ONE, TWO = Manager("one", "Apply", "v1"), Manager("two", "Apply", "v1")


def config(content: Obj) -> Obj:
    return {"metadata": {"name": "n"}, "data": content}


def difference(before: Any, after: Any) -> Any:
    """The merge patch that leads from one to the other."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    changed = {key: difference(before.get(key), value) for key, value in after.items() if before.get(key) != value}
    return changed | {key: None for key in before if key not in after}


@given(objects, objects)
def test_a_merge_patch_leads_to_its_target(before: Obj, after: Obj) -> None:
    patch = difference(before, after)
    assert merge_patch(before, patch) == after


@given(objects, objects)
def test_a_strategic_patch_of_plain_fields_is_a_merge_patch(before: Obj, after: Obj) -> None:
    patch = difference(before, after)
    assert strategic_merge(before, patch) == after


def test_strategic_directives() -> None:
    pod = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}], "finalizers": ["x", "y"]}
    patch: Obj = {
        "containers": [{"name": "a", "$patch": "delete"}, {"name": "c", "image": "3"}],
        "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}],
        "$deleteFromPrimitiveList/finalizers": ["x"],
    }
    assert strategic_merge(pod, patch) == {
        "containers": [{"name": "b", "image": "1"}, {"name": "c", "image": "3"}],
        "finalizers": ["y"],
    }
    assert strategic_merge({"s": {"a": 1, "b": 2}}, {"s": {"$patch": "replace", "c": 3}}) == {"s": {"c": 3}}
    assert strategic_merge({"s": {"a": 1}}, {"s": {"$patch": "delete"}}) == {}
    assert strategic_merge({"s": {"a": 1, "b": 2}}, {"s": {"$retainKeys": ["b"], "b": 3}}) == {"s": {"b": 3}}
    ports = {"ports": [{"port": 80, "name": "x"}]}
    assert strategic_merge(ports, {"ports": [{"port": 80, "protocol": "TCP", "name": "y"}]})["ports"][0]["name"] == "y"


@pytest.mark.parametrize("operations", [{"op": "add"}, [{"op": "add"}], [{"op": "fly", "path": "/a"}], ["add"], [1]])
def test_malformed_json_patches_are_refused(operations: Any) -> None:
    with pytest.raises(ApiError):
        json_patch({"a": 1}, operations)


@given(objects)
def test_ownership_survives_its_encoding(content: Obj) -> None:
    meta: Obj = {}
    paths = set(leaves(UNTYPED, config(content)))
    write_owned(meta, {ONE: (paths, "now")})
    assert read_owned(meta) == ({ONE: (paths, "now")} if paths else {})


@given(objects, objects)
def test_applying_again_gives_the_last_configuration(first: Obj, second: Obj) -> None:
    live = apply(UNTYPED, {}, config(first), ONE, force=False, now="1")
    live = apply(UNTYPED, live, config(second), ONE, force=False, now="2")
    assert leaves(UNTYPED, {"data": live.get("data", {})}) == leaves(UNTYPED, {"data": second})


@given(typed, typed)
def test_the_other_managers_fields_survive(mine: Obj, theirs: Obj) -> None:
    live = apply(UNTYPED, {}, config(theirs), TWO, force=True, now="1")
    with contextlib.suppress(ApiError):  # a conflict leaves everything as it is
        live = apply(UNTYPED, live, config(mine), ONE, force=False, now="2")
    live = apply(UNTYPED, live, config({}), ONE, force=False, now="3")
    present = leaves(UNTYPED, live)
    kept = {
        path: value
        for path, value in leaves(UNTYPED, config(theirs)).items()
        if path in read_owned(live["metadata"])[TWO][0]
    }
    assert kept.items() <= present.items()


@given(objects, objects)
def test_each_leaf_has_an_owner_after_updates(first: Obj, second: Obj) -> None:
    before, after = config(first), config(second)
    track_update(UNTYPED, {}, before, Manager("one", "Update", "v1"), "1")
    after["metadata"]["managedFields"] = before["metadata"]["managedFields"]
    track_update(UNTYPED, before, after, Manager("two", "Update", "v1"), "2")
    owned = [paths for paths, _ in read_owned(after["metadata"]).values()]
    assert set().union(*owned) == set(leaves(UNTYPED, after))
    assert sum(map(len, owned)) == len(set().union(*owned))
