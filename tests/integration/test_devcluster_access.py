"""Service accounts at the API server: tokens, roles, the record of requests; and watches over WebSockets."""

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sparkiot_sim.devcluster import DevCluster

PODS = "/api/v1/namespaces/default/pods"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DevCluster]:
    with DevCluster.in_thread(kubeconfig=tmp_path / "kubeconfig") as running:
        yield running


def session(cluster: DevCluster, token: str) -> aiohttp.ClientSession:
    tls = ssl.create_default_context(cadata=cluster.identity.certificate)
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "test"}
    return aiohttp.ClientSession(cluster.url, connector=aiohttp.TCPConnector(ssl=tls), headers=headers)


async def post(client: aiohttp.ClientSession, path: str, body: Any) -> tuple[int, Any]:
    async with client.post(path, json=body) as answer:
        return answer.status, await answer.json()


async def test_the_audit_log_holds_every_request_as_kubernetes_would_write_it(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    async with DevCluster.start(audit_log=log) as cluster:
        token = cluster.service_account_token("default", "default")
        before = datetime.now(UTC)
        async with session(cluster, cluster.identity.token) as admin, session(cluster, token) as client:
            await post(admin, CONFIGMAPS, {"metadata": {"name": "a"}})
            async with client.get(f"{CONFIGMAPS}/a"), client.get("/apis"):
                pass
    created, refused = [json.loads(line) for line in log.read_text().splitlines()]
    assert (created["apiVersion"], created["verb"], created["responseStatus"]["code"]) == (
        "audit.k8s.io/v1",
        "create",
        201,
    )
    assert refused["user"]["username"] == "system:serviceaccount:default:default"
    assert refused["objectRef"] == {"resource": "configmaps", "namespace": "default", "name": "a"}
    assert refused["responseStatus"]["code"] == 403
    arrived = [datetime.fromisoformat(event["requestReceivedTimestamp"]) for event in (created, refused)]
    assert before <= arrived[0] <= arrived[1] <= datetime.now(UTC)


async def test_a_service_account_does_what_its_role_says(cluster: DevCluster) -> None:
    token = cluster.service_account_token("default", "default")
    roles = f"/apis/{RBAC}/v1/namespaces/default"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "list"]}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": "r"}
    config = {"metadata": {"name": "a"}}
    async with session(cluster, cluster.identity.token) as admin, session(cluster, token) as client:
        code, body = await post(client, CONFIGMAPS, config)
        assert (code, body["reason"]) == (403, "Forbidden")
        assert body["message"] == (
            'configmaps is forbidden: User "system:serviceaccount:default:default" cannot create resource "configmaps" '
            'in API group "" in the namespace "default"'
        )
        await post(admin, f"{roles}/roles", {"metadata": {"name": "r"}, "rules": [rule]})
        await post(admin, f"{roles}/rolebindings", {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [subject]})
        assert (await post(client, CONFIGMAPS, config))[0] == 201
        for path, expected in (
            (CONFIGMAPS, 200),
            (f"{CONFIGMAPS}/a", 403),
            ("/api/v1/configmaps", 403),
            ("/apis", 200),
        ):
            async with client.get(path) as answer:
                assert answer.status == expected, path
        async with client.delete(CONFIGMAPS) as answer:
            assert answer.status == 403
        async with admin.delete("/api/v1/namespaces/default/serviceaccounts/default") as answer:
            assert answer.status == 200
        async with client.get(CONFIGMAPS) as answer:
            assert answer.status == 401  # the token ends with its account
    noted = cluster.requests.of("system:serviceaccount:default:default")
    assert [(record.access.verb, record.access.namespace, record.access.name, record.code) for record in noted] == [
        ("create", "default", "", 403),
        ("create", "default", "", 201),
        ("list", "default", "", 200),
        ("get", "default", "a", 403),
        ("list", "", "", 403),
        ("deletecollection", "default", "", 403),
    ]
    assert {record.agent for record in noted} == {"test"}


async def test_tokens_survive_a_restart_with_data(tmp_path: Path) -> None:
    tokens = []
    for _ in range(2):
        async with DevCluster.start(data=tmp_path / "data") as cluster:
            tokens.append(cluster.service_account_token("default", "default"))
    assert tokens[0] == tokens[1]


async def test_a_watch_over_a_websocket(cluster: DevCluster) -> None:
    async with session(cluster, cluster.identity.token) as client:
        async with client.ws_connect(f"{CONFIGMAPS}?watch=true&allowWatchBookmarks=true") as socket:
            await post(client, CONFIGMAPS, {"metadata": {"name": "a"}})
            await post(client, CONFIGMAPS, {"metadata": {"name": "b"}})
            await client.delete(f"{CONFIGMAPS}/a")
            events = [json.loads(await socket.receive_str(timeout=30)) for _ in range(3)]
            assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
                ("ADDED", "a"),
                ("ADDED", "b"),
                ("DELETED", "a"),
            ]
            await socket.ping()
        async with client.ws_connect(f"{CONFIGMAPS}?watch=true&timeoutSeconds=1") as socket:
            assert json.loads(await socket.receive_str(timeout=30))["object"]["metadata"]["name"] == "b"
            assert (await socket.receive(timeout=30)).type == aiohttp.WSMsgType.CLOSE
        async with client.ws_connect(f"{CONFIGMAPS}?watch=true&resourceVersion=1") as socket:
            expired = json.loads(await socket.receive_str(timeout=30))
            assert (expired["type"], expired["object"]["code"]) == ("ERROR", 410)
    assert {(r.access.verb, r.code) for r in cluster.requests.of("sparkiot-dev") if r.access.verb == "watch"} == {
        ("watch", 101)
    }


async def test_a_websocket_needs_rights_too(cluster: DevCluster) -> None:
    async with session(cluster, cluster.service_account_token("default", "default")) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await client.ws_connect(f"{PODS}?watch=true")
        assert error.value.status == 403


async def test_logs_need_a_node_agent_and_a_pod(cluster: DevCluster) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    async with session(cluster, cluster.identity.token) as client:
        assert (await post(client, PODS, pod))[0] == 201
        async with client.get(f"{PODS}/p/log") as answer:
            assert (answer.status, (await answer.json())["message"]) == (
                400,
                'container "c" in pod "p" is waiting to start: ContainerCreating',
            )
        status = {"status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}}
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        async with client.patch(f"{PODS}/p/status", data=json.dumps(status), headers=headers) as answer:
            assert answer.status == 200
        async with client.get(f"{PODS}/p/log") as answer:
            assert answer.status == 500
            assert "no node agent runs" in (await answer.json())["message"]
        for query, code in (("container=x", 400), ("tailLines=-1", 400), ("previous=true", 400)):
            async with client.get(f"{PODS}/p/log?{query}") as answer:
                assert answer.status == code, query
        async with client.post(f"{PODS}/p/log", json={}) as answer:
            assert answer.status == 405


async def test_every_namespace_has_its_default_account(cluster: DevCluster) -> None:
    async with session(cluster, cluster.identity.token) as client:
        await post(client, "/api/v1/namespaces", {"metadata": {"name": "iot"}})
        async with client.get("/api/v1/namespaces/iot/serviceaccounts/default") as answer:
            assert answer.status == 200


async def grant(admin: aiohttp.ClientSession, *rules: Any) -> None:
    """Let the service account `default` do just that."""
    roles = f"/apis/{RBAC}/v1/namespaces/default"
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": "r"}
    await post(admin, f"{roles}/roles", {"metadata": {"name": "r"}, "rules": list(rules)})
    await post(admin, f"{roles}/rolebindings", {"metadata": {"name": "b"}, "roleRef": ref, "subjects": [subject]})


async def test_an_apply_that_creates_needs_the_verb_create_too(cluster: DevCluster) -> None:
    token = cluster.service_account_token("default", "default")
    path, config = f"{CONFIGMAPS}/a?fieldManager=test", {"metadata": {"name": "a"}, "data": {"b": "c"}}
    headers = {"Content-Type": "application/apply-patch+yaml"}
    async with session(cluster, cluster.identity.token) as admin, session(cluster, token) as client:
        await grant(admin, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]})
        async with client.patch(path, data=json.dumps(config), headers=headers) as answer:
            assert answer.status == 403
            assert 'cannot create resource "configmaps"' in (await answer.json())["message"]
        await post(admin, CONFIGMAPS, config)
        async with client.patch(path, data=json.dumps(config), headers=headers) as answer:
            assert answer.status == 200


async def test_nobody_grants_what_they_do_not_have(cluster: DevCluster) -> None:
    token = cluster.service_account_token("default", "default")
    roles = f"/apis/{RBAC}/v1/namespaces/default"
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"], "resourceNames": ["p"]}
    ref = {"apiGroup": RBAC, "kind": "Role", "name": "wide"}
    async with session(cluster, cluster.identity.token) as admin, session(cluster, token) as client:
        verbs = {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": ["create"]}
        await grant(admin, verbs, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]})
        await post(admin, f"{roles}/roles", {"metadata": {"name": "wide"}, "rules": [pods]})
        code, body = await post(client, f"{roles}/roles", {"metadata": {"name": "mine"}, "rules": [pods]})
        assert (code, body["message"].partition("held: ")[2]) == (403, "delete pods")
        code, body = await post(client, f"{roles}/rolebindings", {"metadata": {"name": "mine"}, "roleRef": ref})
        assert (code, body["message"].partition("held: ")[2]) == (403, "delete pods")
        narrow = {**pods, "verbs": ["get"]}
        assert (await post(client, f"{roles}/roles", {"metadata": {"name": "mine"}, "rules": [narrow]}))[0] == 201
