"""What the embedded cluster promises, checked against it and against the real cluster behind KUBECONFIG.

What an older Kubernetes lacks is skipped by its version: CEL rules and server-side field validation need 1.25.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from support_apiserver import GROUP, Obj, Server, connect, gauge, real_kubeconfig

from sparkiot_sim.devcluster import DevCluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MANAGER = {"fieldManager": "test"}


REAL = real_kubeconfig()
SERVERS = ["embedded", "kubeconfig"] if REAL else ["embedded"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVERS)
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    if request.param == "kubeconfig":
        assert REAL is not None
        async with connect(REAL) as real:
            yield real
    else:
        path = tmp_path_factory.mktemp("cluster") / "kubeconfig"
        with DevCluster.in_thread(kubeconfig=path):
            async with connect(path) as embedded:
                yield embedded


def need(server: Server, minor: int, what: str) -> None:
    if server.minor < minor:
        pytest.skip(f"{what} needs Kubernetes 1.{minor}, this is 1.{server.minor}")


def unique(prefix: str = "g") -> str:
    return f"{prefix}-{secrets.token_hex(4)}"


async def made(server: Server, **spec: Any) -> tuple[str, Obj]:
    """A new gauge: its path and what the server answered."""
    body = gauge(unique(), **spec)
    obj = (await server.create(server.path, body, **MANAGER)).ok()
    return f"{server.path}/{body['metadata']['name']}", obj


# Create, read, update, delete


async def test_create_sets_what_the_server_owns(server: Server) -> None:
    path, obj = await made(server)
    meta = obj["metadata"]
    assert meta["uid"]
    assert meta["creationTimestamp"].endswith("Z")
    assert meta["generation"] == 1
    assert meta["namespace"] == server.namespace
    assert int(meta["resourceVersion"]) > 0
    assert (await server.get(path)).ok() == obj


async def test_creating_twice_and_reading_what_is_not_there(server: Server) -> None:
    path, obj = await made(server)
    name = obj["metadata"]["name"]
    again = await server.create(server.path, gauge(name))
    assert (again.code, again.body["reason"]) == (409, "AlreadyExists")
    assert again.body["message"] == f'gauges.{GROUP} "{name}" already exists'
    missing = await server.get(f"{path}x")
    assert (missing.code, missing.body["reason"], missing.body["kind"]) == (404, "NotFound", "Status")
    assert missing.body["details"] == {"name": f"{name}x", "group": GROUP, "kind": "gauges"}


async def test_generated_names_differ(server: Server) -> None:
    body = {"metadata": {"generateName": "many-"}}
    names = {(await server.create(server.configmaps, body)).ok()["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("many-") and len(name) == 10 for name in names)


async def test_stale_update_conflicts(server: Server) -> None:
    path, first = await made(server)
    (await server.patch(path, {"spec": {"replicas": 2}})).ok()
    first["spec"]["replicas"] = 3
    stale = await server.request("PUT", path, first)
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")
    assert (await server.get(path)).ok()["spec"]["replicas"] == 2
    fresh = (await server.get(path)).ok()
    fresh["spec"]["replicas"] = 3
    assert (await server.request("PUT", path, fresh)).ok()["spec"]["replicas"] == 3
    del fresh["metadata"]["resourceVersion"]
    assert (await server.request("PUT", path, fresh)).code == 422


async def test_an_update_without_change_keeps_the_resource_version(server: Server) -> None:
    path, obj = await made(server, replicas=4)
    same = (await server.patch(path, {"spec": {"replicas": 4}}, **MANAGER)).ok()
    assert same["metadata"]["resourceVersion"] == obj["metadata"]["resourceVersion"]


async def test_dry_run_leaves_nothing_behind(server: Server) -> None:
    name = unique()
    dry = (await server.create(server.path, gauge(name), dryRun="All")).ok()
    assert dry["spec"]["mode"] == "Active"
    assert (await server.get(f"{server.path}/{name}")).code == 404
    path, _ = await made(server)
    assert (await server.patch(path, {"spec": {"replicas": 9}}, dryRun="All")).ok()["spec"]["replicas"] == 9
    assert "replicas" not in (await server.get(path)).ok()["spec"]
    (await server.delete(path, dryRun="All")).ok()
    (await server.get(path)).ok()


async def test_delete_with_preconditions(server: Server) -> None:
    path, obj = await made(server)
    wrong = await server.delete(path, {"preconditions": {"uid": "other"}})
    assert (wrong.code, wrong.body["reason"]) == (409, "Conflict")
    done = (await server.delete(path, {"preconditions": {"uid": obj["metadata"]["uid"]}})).ok()
    assert done["status"] == "Success"
    assert (await server.get(path)).code == 404


async def test_unknown_paths_and_methods(server: Server) -> None:
    assert (await server.get(f"/apis/{GROUP}/v1/nothing")).code == 404
    assert (await server.get("/apis/no.such.group/v1")).code == 404
    assert (await server.request("PUT", server.configmaps, {})).code == 405
    assert (await server.create(server.configmaps, "{not json")).code == 400
    other = {"apiVersion": f"{GROUP}/v1", "kind": "Other", "metadata": {"name": "x"}}
    assert (await server.create(server.path, other)).code in (400, 422)


# Schema


async def test_defaults_reach_into_defaulted_objects(server: Server) -> None:
    _, obj = await made(server, bounds={"max": 7})
    assert obj["spec"]["mode"] == "Active"
    assert obj["spec"]["bounds"] == {"min": 1, "max": 7}
    _, obj = await made(server)
    assert obj["spec"]["bounds"] == {"min": 1, "max": 10}


async def test_unknown_fields_are_pruned_except_where_the_schema_keeps_them(server: Server) -> None:
    _, obj = await made(server, nonsense=1, anything={"deep": {"er": [1]}}, labels={"any": "key"})
    assert "nonsense" not in obj["spec"]
    assert obj["spec"]["anything"] == {"deep": {"er": [1]}}
    assert obj["spec"]["labels"] == {"any": "key"}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"unit": "x"}, "spec.unit", "at least 2 chars long"),
        ({"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
        ({"replicas": "two"}, "spec.replicas", "must be of type integer"),
        ({"mode": "Off"}, "spec.mode", 'supported values: "Active", "Paused"'),
        ({"bounds": {"max": 101}}, "spec.bounds.max", "less than or equal to 100"),
        ({"port": 1.5}, "spec.port", "must be of type"),
        ({"labels": {"a": 1}}, "spec.labels.a", "must be of type string"),
        ({"channels": [{"rate": 1}]}, "spec.channels[0].name", "Required value"),
        ({"channels": [{"name": "a"}, {"name": "a"}]}, "spec.channels[1]", "Duplicate value"),
    ],
)
async def test_invalid_specs_name_the_field(server: Server, spec: Obj, field: str, words: str) -> None:
    refused = await server.create(server.path, gauge(unique(), **spec))
    assert (refused.code, refused.body["reason"]) == (422, "Invalid")
    if server.minor < 25 and words == "Required value":
        field = field.replace("[0]", "")  # older releases leave out the index of a missing field
    causes = {cause["field"]: cause["message"] for cause in refused.body["details"]["causes"]}
    assert words in causes[field]
    assert words in refused.body["message"]


async def test_several_violations_are_reported_together(server: Server) -> None:
    body = gauge(unique(), replicas=-1, mode="Off")
    del body["spec"]["unit"]
    refused = await server.create(server.path, body)
    fields = {cause["field"] for cause in refused.body["details"]["causes"]}
    assert {"spec.unit", "spec.replicas", "spec.mode"} <= fields


async def test_field_validation_modes(server: Server) -> None:
    need(server, 25, "field validation")
    body = gauge(unique(), nonsense=1, bounds={"mx": 1})
    strict = await server.create(server.path, body, fieldValidation="Strict")
    assert strict.code == 400
    assert "strict decoding error" in strict.body["message"]
    for path in ("spec.nonsense", "spec.bounds.mx"):
        assert f'unknown field "{path}"' in strict.body["message"]
    warned = await server.create(server.path, body, fieldValidation="Warn")
    warned.ok()
    assert any('unknown field \\"spec.nonsense\\"' in text for text in warned.warnings)
    quiet = await server.create(server.path, gauge(unique(), nonsense=1), fieldValidation="Ignore")
    quiet.ok()
    assert not quiet.warnings


async def test_cel_rules(server: Server) -> None:
    need(server, 25, "a CEL rule")
    refused = await server.create(server.path, gauge(unique(), bounds={"min": 5, "max": 2}))
    assert refused.code == 422
    assert "min must not exceed max" in refused.body["message"]
    assert refused.body["details"]["causes"][0]["field"] == "spec.bounds"
    path, _ = await made(server)
    changed = await server.patch(path, {"spec": {"unit": "bytes/s"}})
    assert changed.code == 422
    assert "unit is immutable" in changed.body["message"]
    (await server.patch(path, {"spec": {"replicas": 1}})).ok()


async def test_a_crd_with_a_broken_rule_is_refused(server: Server) -> None:
    need(server, 25, "a CEL rule")
    for number, rule in enumerate(("self.a ==", "nosuchfunction(self.a)")):
        group = f"broken{number}.sparkiot.dev"
        schema = {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {"a": {"type": "integer"}},
                    "x-kubernetes-validations": [{"rule": rule}],
                }
            },
        }
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"things.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing"},
                "versions": [
                    {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}},
                ],
            },
        }
        refused = await server.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        assert refused.code == 422, refused.body
        assert "compilation failed" in refused.body["message"]


# Patches


async def test_merge_patch(server: Server) -> None:
    path, _ = await made(server, labels={"a": "1", "b": "2"}, replicas=1)
    spec = (await server.patch(path, {"spec": {"labels": {"a": None, "c": "3"}, "replicas": None}})).ok()["spec"]
    assert spec["labels"] == {"b": "2", "c": "3"}
    assert "replicas" not in spec


async def test_json_patch(server: Server) -> None:
    path, _ = await made(server, replicas=1)
    steps = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 2},
        {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
    ]
    obj = (await server.patch(path, steps, "json-patch+json")).ok()
    assert (obj["spec"]["replicas"], obj["metadata"]["labels"]) == (2, {"x": "y"})
    assert (await server.patch(path, steps, "json-patch+json")).code == 422  # the test fails now
    missing = [{"op": "remove", "path": "/spec/nothing"}]
    assert (await server.patch(path, missing, "json-patch+json")).code == 422


async def test_strategic_merge_is_for_built_in_kinds(server: Server) -> None:
    name = unique("pod")
    pods = f"/api/v1/namespaces/{server.namespace}/pods"
    containers = [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}]
    spec = {"containers": containers, "nodeName": "nowhere", "automountServiceAccountToken": False}
    (await server.create(pods, {"metadata": {"name": name}, "spec": spec})).ok()
    change = {"spec": {"containers": [{"name": "b", "image": "y:2"}]}, "metadata": {"labels": {"k": "v"}}}
    obj = (await server.patch(f"{pods}/{name}", change, "strategic-merge-patch+json")).ok()
    images = {container["name"]: container["image"] for container in obj["spec"]["containers"]}
    assert images == {"a": "x:1", "b": "y:2"}
    assert obj["metadata"]["labels"] == {"k": "v"}
    await server.delete(f"{pods}/{name}", {"gracePeriodSeconds": 0})
    path, _ = await made(server)
    refused = await server.patch(path, {"spec": {}}, "strategic-merge-patch+json")
    assert (refused.code, refused.body["reason"]) == (415, "UnsupportedMediaType")


# Server-side apply


async def test_apply_creates_updates_and_takes_out(server: Server) -> None:
    body = gauge(unique(), replicas=1, labels={"a": "1", "b": "2"})
    path = f"{server.path}/{body['metadata']['name']}"
    created = await server.apply(path, body, "one")
    assert created.code == 201
    same = (await server.apply(path, body, "one")).ok()
    assert same["metadata"]["resourceVersion"] == created.body["metadata"]["resourceVersion"]
    del body["spec"]["replicas"], body["spec"]["labels"]["a"]
    after = (await server.apply(path, body, "one")).ok()
    assert "replicas" not in after["spec"]
    assert after["spec"]["labels"] == {"b": "2"}
    entry = next(entry for entry in after["metadata"]["managedFields"] if entry["manager"] == "one")
    assert entry["operation"] == "Apply"
    owned = entry["fieldsV1"]["f:spec"]
    for fields in (owned, owned["f:labels"]):
        fields.pop(".", None)  # older releases list a parent besides its fields
    assert owned == {"f:labels": {"f:b": {}}, "f:unit": {}}


async def test_apply_conflicts_name_manager_and_field(server: Server) -> None:
    body = gauge(unique(), replicas=1)
    path = f"{server.path}/{body['metadata']['name']}"
    (await server.apply(path, body, "one")).ok()
    (await server.patch(path, {"spec": {"replicas": 5}}, fieldManager="scaler")).ok()
    refused = await server.apply(path, body, "one")
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    cause = refused.body["details"]["causes"][0]
    assert cause["reason"] == "FieldManagerConflict"
    assert cause["field"] == ".spec.replicas"
    assert '"scaler"' in cause["message"]
    forced = (await server.apply(path, body, "one", force="true")).ok()
    assert forced["spec"]["replicas"] == 1
    assert "scaler" not in {entry["manager"] for entry in forced["metadata"]["managedFields"]}


async def test_equal_values_are_shared_and_stay_until_the_last_owner_lets_go(server: Server) -> None:
    body = gauge(unique(), replicas=2)
    path = f"{server.path}/{body['metadata']['name']}"
    (await server.apply(path, body, "one")).ok()
    (await server.apply(path, body, "two")).ok()
    del body["spec"]["replicas"]
    assert (await server.apply(path, body, "one")).ok()["spec"]["replicas"] == 2
    assert "replicas" not in (await server.apply(path, body, "two")).ok()["spec"]


async def test_lists_with_keys_merge_by_item(server: Server) -> None:
    need(server, 22, "merging the lists of custom resources by key")
    name = unique()
    path = f"{server.path}/{name}"
    (await server.apply(path, gauge(name, channels=[{"name": "a", "rate": 1}]), "one")).ok()
    both = (await server.apply(path, gauge(name, channels=[{"name": "b", "rate": 2}]), "two")).ok()
    assert {item["name"]: item["rate"] for item in both["spec"]["channels"]} == {"a": 1, "b": 2}
    left = (await server.apply(path, gauge(name, channels=[]), "one")).ok()
    assert left["spec"]["channels"] == [{"name": "b", "rate": 2}]


async def test_pruned_fields_are_nobodys(server: Server) -> None:
    need(server, 25, "field validation")
    body = gauge(unique(), nonsense=1)
    applied = await server.apply(f"{server.path}/{body['metadata']['name']}", body, "one", fieldValidation="Warn")
    fields = applied.ok()["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert set(fields) - {"."} == {"f:unit"}
    assert sum("spec.nonsense" in text for text in applied.warnings) == 1


async def test_apply_needs_a_manager(server: Server) -> None:
    body = gauge(unique())
    refused = await server.patch(f"{server.path}/{body['metadata']['name']}", body, "apply-patch+yaml")
    assert refused.code in (400, 422)
    assert "fieldManager" in refused.body["message"]


# Subresources


async def test_status_and_spec_do_not_mix(server: Server) -> None:
    body = gauge(unique(), replicas=1)
    body["status"] = {"phase": "Invented"}
    obj = (await server.create(server.path, body)).ok()
    path = f"{server.path}/{obj['metadata']['name']}"
    assert "status" not in obj
    change = {"spec": {"replicas": 7}, "status": {"phase": "Running"}, "metadata": {"labels": {"a": "b"}}}
    after = (await server.patch(f"{path}/status", change)).ok()
    assert (after["spec"]["replicas"], after["status"]["phase"]) == (1, "Running")
    assert "labels" not in after["metadata"]
    after = (await server.patch(path, {"spec": {"replicas": 7}, "status": {"phase": "Other"}})).ok()
    assert (after["spec"]["replicas"], after["status"]["phase"]) == (7, "Running")


async def test_generation_follows_the_spec_only(server: Server) -> None:
    path, _ = await made(server)
    after = (await server.patch(f"{path}/status", {"status": {"phase": "Running"}})).ok()
    assert after["metadata"]["generation"] == 1
    after = (await server.patch(path, {"metadata": {"labels": {"a": "b"}}})).ok()
    assert after["metadata"]["generation"] == 1
    after = (await server.patch(path, {"spec": {"replicas": 2}})).ok()
    assert after["metadata"]["generation"] == 2


async def test_scale(server: Server) -> None:
    path, _ = await made(server, replicas=1)
    (await server.patch(f"{path}/status", {"status": {"replicas": 1, "selector": "app=x"}})).ok()
    scale = (await server.get(f"{path}/scale")).ok()
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 1, "selector": "app=x"})
    scale["spec"]["replicas"] = 4
    assert (await server.request("PUT", f"{path}/scale", scale)).ok()["spec"]["replicas"] == 4
    assert (await server.get(path)).ok()["spec"]["replicas"] == 4
    assert (await server.request("PUT", f"{path}/scale", scale)).code == 409  # stale by now
    assert (await server.patch(f"{path}/scale", {"spec": {"replicas": 6}})).ok()["spec"]["replicas"] == 6
    assert (await server.get(path)).ok()["metadata"]["generation"] == 3
    assert (await server.patch(f"{path}/scale", {"spec": {"replicas": -6}})).code == 422


# Lists, selectors, tables


async def test_label_selectors(server: Server) -> None:
    run = unique("run")
    for name, labels in (("a", {"tier": "hot"}), ("b", {"tier": "cold"}), ("c", {})):
        meta = {"name": f"{run}-{name}", "labels": {"run": run, **labels}}
        (await server.create(server.configmaps, {"metadata": meta})).ok()
    cases = {
        "tier=hot": "a",
        "tier==cold": "b",
        "tier!=hot": "bc",
        "tier in (hot, cold)": "ab",
        "tier notin (hot)": "bc",
        "tier": "ab",
        "!tier": "c",
        "tier,tier!=cold": "a",
    }
    for selector, expected in cases.items():
        found = (await server.get(server.configmaps, labelSelector=f"run={run},{selector}")).ok()["items"]
        assert "".join(item["metadata"]["name"][-1] for item in found) == expected, selector
    assert (await server.get(server.configmaps, labelSelector="a in (")).code == 400
    cleared = await server.delete(server.configmaps, labelSelector=f"run={run},tier")
    cleared.ok()
    left = (await server.get(server.configmaps, labelSelector=f"run={run}")).ok()["items"]
    assert [item["metadata"]["name"] for item in left] == [f"{run}-c"]


async def test_field_selectors(server: Server) -> None:
    _, obj = await made(server)
    name = obj["metadata"]["name"]
    found = (await server.get(server.path, fieldSelector=f"metadata.name={name}")).ok()["items"]
    assert [item["metadata"]["name"] for item in found] == [name]
    others = (await server.get(server.path, fieldSelector=f"metadata.name!={name}")).ok()["items"]
    assert name not in {item["metadata"]["name"] for item in others}
    everywhere = (
        await server.get(f"/apis/{GROUP}/v1/gauges", fieldSelector=f"metadata.namespace={server.namespace}")
    ).ok()
    assert name in {item["metadata"]["name"] for item in everywhere["items"]}
    assert (await server.get(server.path, fieldSelector="spec.unit=x")).code == 400


async def test_tables_have_the_crds_columns(server: Server) -> None:
    path, obj = await made(server)
    ready = {"conditions": [{"type": "Other", "status": "x"}, {"type": "Ready", "status": "True"}], "phase": "Running"}
    (await server.patch(f"{path}/status", {"status": ready})).ok()
    name = obj["metadata"]["name"]
    table = (await server.get(server.path, accept=TABLE, fieldSelector=f"metadata.name={name}")).ok()
    columns = [(column["name"], column["priority"]) for column in table["columnDefinitions"]]
    assert columns == [("Name", 0), ("Phase", 0), ("Max", 0), ("Ready", 0), ("Unit", 1), ("Age", 0)]
    (row,) = table["rows"]
    assert row["cells"][:5] == [name, "Running", 10, "True", "rows/s"]
    assert row["cells"][5].endswith("s")
    assert row["object"]["kind"] == "PartialObjectMetadata"
    events = await server.events(server.path, stop_after=1, fieldSelector=f"metadata.name={name}")
    assert events[0]["object"]["kind"] == "Gauge"


# Watches


async def test_watch_resumes_in_order_and_without_gaps(server: Server) -> None:
    path, obj = await made(server)
    start = obj["metadata"]["resourceVersion"]
    for replicas in (1, 2, 3):
        (await server.patch(path, {"spec": {"replicas": replicas}})).ok()
    (await server.delete(path)).ok()
    selector = f"metadata.name={obj['metadata']['name']}"
    events = await server.events(server.path, stop_after=4, resourceVersion=start, fieldSelector=selector)
    assert [event["type"] for event in events] == ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    resumed = await server.events(server.path, stop_after=2, resourceVersion=versions[1], fieldSelector=selector)
    assert resumed == events[2:]


async def test_watch_from_zero_starts_with_what_exists(server: Server) -> None:
    _, obj = await made(server)
    selector = f"metadata.name={obj['metadata']['name']}"
    for start in ({}, {"resourceVersion": 0}):
        events = await server.events(server.path, stop_after=1, fieldSelector=selector, **start)
        assert events == [{"type": "ADDED", "object": obj}]


async def test_objects_enter_and_leave_a_watched_selection(server: Server) -> None:
    path, obj = await made(server)
    start = obj["metadata"]["resourceVersion"]
    run = unique("run")
    (await server.patch(path, {"metadata": {"labels": {"run": run}}})).ok()
    (await server.patch(path, {"spec": {"replicas": 2}})).ok()
    (await server.patch(path, {"metadata": {"labels": None}})).ok()
    events = await server.events(server.path, stop_after=3, resourceVersion=start, labelSelector=f"run={run}")
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]


async def test_bookmarks_carry_a_version_to_resume_from(server: Server) -> None:
    path, obj = await made(server)
    start = obj["metadata"]["resourceVersion"]
    need(server, 25, "a bookmark within seconds")  # 1.20 sent none in 100 s
    events = await server.events(server.path, seconds=4, resourceVersion=start, allowWatchBookmarks="true")
    marks = [event["object"]["metadata"]["resourceVersion"] for event in events if event["type"] == "BOOKMARK"]
    assert marks
    (await server.patch(path, {"spec": {"replicas": 2}})).ok()
    after = await server.events(server.path, stop_after=1, resourceVersion=marks[-1])
    assert [event["type"] for event in after] == ["MODIFIED"]


async def test_a_watch_list_marks_the_end_of_what_exists(server: Server) -> None:
    need(server, 34, "sendInitialEvents")
    _, obj = await made(server)
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "fieldSelector": f"metadata.name={obj['metadata']['name']}",
    }
    added, mark = await server.events(server.path, stop_after=2, **query)
    assert added == {"type": "ADDED", "object": obj}
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_version_out_of_the_window_is_expired(server: Server) -> None:
    events = await server.events(server.path, stop_after=1, seconds=5, resourceVersion=1)
    assert events[0]["type"] == "ERROR"
    assert (events[0]["object"]["code"], events[0]["object"]["reason"]) == (410, "Expired")


# Deletion


async def test_finalizers_hold_the_object(server: Server) -> None:
    body = gauge(unique())
    body["metadata"]["finalizers"] = ["sparkiot.dev/test"]
    path = f"{server.path}/{(await server.create(server.path, body)).ok()['metadata']['name']}"
    held = (await server.delete(path)).ok()
    assert held["metadata"]["deletionTimestamp"]
    assert (await server.get(path)).ok()["metadata"]["finalizers"] == ["sparkiot.dev/test"]
    more = await server.patch(path, {"metadata": {"finalizers": ["sparkiot.dev/test", "sparkiot.dev/new"]}})
    assert more.code == 422
    (await server.patch(path, {"metadata": {"finalizers": None}})).ok()
    assert (await server.get(path)).code == 404


async def owned_pair(server: Server, *, block: bool = False) -> tuple[str, str]:
    path, owner = await made(server)
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": block,
    }
    name = unique("dep")
    (await server.create(server.configmaps, {"metadata": {"name": name, "ownerReferences": [reference]}})).ok()
    return path, f"{server.configmaps}/{name}"


async def test_dependents_go_with_their_owner(server: Server) -> None:
    owner, dependent = await owned_pair(server)
    (await server.delete(owner)).ok()
    await server.until_gone(dependent)


async def test_foreground_deletion_waits_for_the_dependents(server: Server) -> None:
    owner, dependent = await owned_pair(server, block=True)
    hold = {"metadata": {"finalizers": ["sparkiot.dev/test"]}}
    (await server.patch(dependent, hold)).ok()
    (await server.delete(owner, {"propagationPolicy": "Foreground"})).ok()
    assert "foregroundDeletion" in (await server.get(owner)).ok()["metadata"]["finalizers"]
    # The owner stays as long as the dependent does.
    async with asyncio.timeout(60):
        while "deletionTimestamp" not in (await server.get(dependent)).ok()["metadata"]:  # noqa: ASYNC110 on a server
            await asyncio.sleep(0.05)
    (await server.get(owner)).ok()
    (await server.patch(dependent, {"metadata": {"finalizers": None}})).ok()
    await server.until_gone(owner)
    assert (await server.get(dependent)).code == 404


async def test_orphans_stay(server: Server) -> None:
    owner, dependent = await owned_pair(server)
    (await server.delete(owner, {"propagationPolicy": "Orphan"})).ok()
    await server.until_gone(owner)
    assert "ownerReferences" not in (await server.get(dependent)).ok()["metadata"]


async def test_the_first_namespaces_stay(server: Server) -> None:
    refused = await server.delete("/api/v1/namespaces/default")
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == 'namespaces "default" is forbidden: this namespace may not be deleted'


async def test_a_namespace_takes_its_content_along(server: Server) -> None:
    name = unique("ns")
    (await server.create("/api/v1/namespaces", {"metadata": {"name": name}})).ok()
    inside = f"/api/v1/namespaces/{name}/configmaps"
    (await server.create(inside, {"metadata": {"name": "x"}})).ok()
    (await server.delete(f"/api/v1/namespaces/{name}")).ok()
    await server.until_gone(f"/api/v1/namespaces/{name}")
    assert (await server.get(f"{inside}/x")).code == 404
    refused = await server.create(inside, {"metadata": {"name": "y"}})
    assert refused.code == 404
    assert refused.body["message"] == f'namespaces "{name}" not found'


# Events


async def test_events_have_selectors(server: Server) -> None:
    name, about = unique("event"), unique("about")
    event = {
        "metadata": {"name": name},
        "involvedObject": {"kind": "Gauge", "name": about, "namespace": server.namespace, "apiVersion": f"{GROUP}/v1"},
        "reason": "Scaled",
        "message": "from 1 to 2",
        "type": "Normal",
        "source": {"component": "test"},
    }
    events = f"/api/v1/namespaces/{server.namespace}/events"
    (await server.create(events, event)).ok()
    found = (await server.get(events, fieldSelector=f"involvedObject.name={about},reason=Scaled,type=Normal")).ok()
    assert [item["metadata"]["name"] for item in found["items"]] == [name]
    assert (await server.get(events, fieldSelector=f"involvedObject.name={about},type=Warning")).ok()["items"] == []


# Discovery


async def test_discovery(server: Server) -> None:
    groups = (await server.get("/apis")).ok()["groups"]
    assert GROUP in {group["name"] for group in groups}
    resources = {entry["name"]: entry for entry in (await server.get(f"/apis/{GROUP}/v1")).ok()["resources"]}
    assert set(resources) == {"gauges", "gauges/status", "gauges/scale"}
    assert resources["gauges"]["shortNames"] == ["gg"]
    assert resources["gauges/scale"]["kind"] == "Scale"
    assert set(resources["gauges"]["verbs"]) == {
        *("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    }
    core = {entry["name"] for entry in (await server.get("/api/v1")).ok()["resources"]}
    assert {"namespaces", "configmaps", "secrets", "services", "serviceaccounts", "pods", "events", "nodes"} <= core
