"""The API without HTTP: whatever a body holds, the answer is an object or a refusal, and the store stays sound."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_apiserver import GROUP, gauge, gauge_crd

from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.api import Api, Selection
from sparkiot_sim.devcluster.errors import ApiError
from sparkiot_sim.devcluster.patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.resources import Resource
from sparkiot_sim.devcluster.store import Store

_NAMES = (
    *("metadata", "spec", "status", "name", "labels", "annotations", "finalizers", "ownerReferences", "containers"),
    *(
        "unit",
        "bounds",
        "min",
        "channels",
        "managedFields",
        "fieldsV1",
        "f:spec",
        "$patch",
        "ports",
        "kind",
        "replicas",
    ),
)
names = st.sampled_from(_NAMES)
scalars = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(["", "a", "x-1", "delete"])
)
bodies = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=15
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy", "x"])},
    optional={
        "path": st.sampled_from(["", "/", "/spec", "/spec/unit", "/metadata/labels/a", "/x/-", "no"]),
        "value": bodies,
    },
)


POD = {
    "metadata": {"name": "b", "labels": {"a": "b"}, "finalizers": ["x.io/y"]},
    "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 1}], "env": [{"name": "e"}]}]},
}
EVENT = {
    "metadata": {"generateName": "e-"},
    "involvedObject": {"kind": "Pod", "name": "b"},
    "reason": "r",
    "type": "Normal",
}
FULL_GAUGE = gauge("b", replicas=1, bounds={"min": 1}, channels=[{"name": "c"}], labels={"a": "b"}, port="http")
VALID = {"pods": POD, "events": EVENT, "gauges": FULL_GAUGE, "customresourcedefinitions": gauge_crd(with_rules=True)}


@st.composite
def damaged(draw: st.DrawFn, valid: Any) -> Any:
    """A copy of a valid object with one or two places replaced by something else."""
    whole = {"": orjson.loads(orjson.dumps(valid))}
    for _ in range(draw(st.integers(1, 2))):
        node: Any = whole
        while True:
            place = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[place], dict | list) or not node[place] or draw(st.integers(0, 4)) == 0:
                node[place] = draw(bodies)
                break
            node = node[place]
    return whole[""]


@pytest.fixture(scope="module")
def fresh() -> Callable[[], Api]:
    crd = orjson.dumps(gauge_crd(with_rules=True))

    def make() -> Api:
        store = Store(None, first_revision=1)
        api = Api(store=store, registry=Registry(store), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
        options = WriteOptions()
        api.create(find(api, "", "v1", "namespaces"), "", {"metadata": {"name": "d"}}, options)
        api.create(find(api, "apiextensions.k8s.io", "v1", "customresourcedefinitions"), "", orjson.loads(crd), options)
        api.create(find(api, GROUP, "v1", "gauges"), "d", gauge("a", replicas=1), options)
        container = {"name": "c", "image": "i", "ports": [{"containerPort": 1}]}
        pod = {"metadata": {"name": "a"}, "spec": {"containers": [container]}}
        api.create(find(api, "", "v1", "pods"), "d", pod, options)
        return api

    return make


def find(api: Api, group: str, version: str, plural: str) -> Resource:
    return api.registry.find(group, version, plural)


def sound(api: Api) -> None:
    """Every object is listed and readable, and the revisions are those of the store."""
    for resource in api.registry.all():
        for record in api.select(resource, Selection()):
            shown = api.get(resource, record.key)
            assert shown["metadata"]["name"] == record.key[1]
            assert int(shown["metadata"]["resourceVersion"]) <= api.store.revision


def test_a_secrets_text_is_kept_encoded(fresh: Callable[[], Api]) -> None:
    api = fresh()
    secrets = find(api, "", "v1", "secrets")
    body = {"metadata": {"name": "s"}, "data": {"a": "QQ==", "b": "Qg=="}, "stringData": {"b": "other"}}
    api.create(secrets, "d", body, WriteOptions())
    shown = api.get(secrets, ("d", "s"))
    assert shown["data"] == {"a": "QQ==", "b": "b3RoZXI="}
    assert "stringData" not in shown


@given(st.data(), st.sampled_from(sorted(VALID)), st.booleans())
def test_any_body_is_created_or_refused(fresh: Callable[[], Api], data: Any, plural: str, dry_run: bool) -> None:
    api = fresh()
    body = data.draw(damaged(VALID[plural]))
    resource = next(resource for resource in api.registry.all() if resource.plural == plural)
    revision = api.store.revision
    with contextlib.suppress(ApiError):
        api.create(resource, "d", body, WriteOptions(dry_run=dry_run, field_validation="Ignore"))
    assert api.store.revision == revision or not dry_run
    sound(api)


@given(
    st.data(),
    st.sampled_from([JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]),
    st.sampled_from(["", "status", "scale"]),
    st.sampled_from(["pods", "gauges"]),
)
def test_any_patch_is_applied_or_refused(
    fresh: Callable[[], Api], data: Any, content_type: str, subresource: str, plural: str
) -> None:
    api = fresh()
    valid = orjson.loads(orjson.dumps(VALID[plural]))
    valid["metadata"]["name"] = "a"
    patch = data.draw(st.lists(operations, max_size=3) if content_type == JSON_PATCH else damaged(valid))
    resource = next(resource for resource in api.registry.all() if resource.plural == plural)
    before = api.get(resource, ("d", "a"))
    options = WriteOptions(field_validation="Ignore", force=True)
    try:
        api.patch(resource, ("d", "a"), subresource, patch, options, content_type=content_type)
    except ApiError:
        assert api.get(resource, ("d", "a")) == before
    else:
        if api.store.get(resource.storage, ("d", "a")):
            after = api.get(resource, ("d", "a"))
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            assert subresource != "status" or after["spec"] == before["spec"]
    sound(api)
