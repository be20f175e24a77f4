"""The embedded cluster as a server: who may talk to it, limits, restarts, the official Python client, many watchers."""

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes
import psutil
import pytest
from support_apiserver import CRD_NAME, GROUP, connect, gauge, gauge_crd

from sparkiot_sim.devcluster import ClusterStartError, DevCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DevCluster]:
    with DevCluster.in_thread(kubeconfig=tmp_path / "kubeconfig", crds=[gauge_crd(with_rules=True)]) as running:
        yield running


def session(cluster: DevCluster, token: str | None = None) -> aiohttp.ClientSession:
    tls = ssl.create_default_context(cadata=cluster.identity.certificate)
    headers = {"Authorization": f"Bearer {token or cluster.identity.token}"}
    return aiohttp.ClientSession(cluster.url, connector=aiohttp.TCPConnector(ssl=tls, limit=0), headers=headers)


async def test_requests_without_the_token_are_refused(cluster: DevCluster) -> None:
    for token in ("wrong", cluster.identity.token + "x"):
        async with session(cluster, token) as client, client.get("/api/v1/secrets") as answer:
            assert answer.status == 401
            assert (await answer.json())["reason"] == "Unauthorized"
    async with session(cluster, "wrong") as client, client.get("/readyz") as answer:
        assert answer.status == 200  # health needs no secret


@pytest.mark.parametrize(("scheme", "status"), [("bearer", 200), ("Basic", 401)])
async def test_the_name_of_the_scheme_may_be_written_in_any_case(cluster: DevCluster, scheme: str, status: int) -> None:
    own = {"Authorization": f"{scheme} {cluster.identity.token}"}
    async with session(cluster) as client, client.get("/api/v1/secrets", headers=own) as answer:
        assert answer.status == status


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:1", "10.0.0.1"])
async def test_foreign_host_names_are_refused(cluster: DevCluster, host: str) -> None:
    async with session(cluster) as client, client.get("/api/v1/secrets", headers={"Host": host}) as answer:
        assert answer.status == 403
        assert "not a loopback address" in (await answer.json())["message"]


async def test_large_bodies_are_refused(cluster: DevCluster) -> None:
    body = json.dumps({"metadata": {"name": "a"}, "data": {"a": "x" * (3 * 1024 * 1024)}})
    headers = {"Content-Type": "application/json"}
    async with session(cluster) as client:
        path = "/api/v1/namespaces/default/configmaps"
        async with client.post(path, data=body, headers=headers) as answer:
            assert answer.status == 413
            assert (await answer.json())["reason"] == "RequestEntityTooLarge"


def test_only_loopback_is_served(cluster: DevCluster) -> None:
    listening = [link.laddr for link in psutil.Process().net_connections("inet") if link.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}


async def test_the_kubeconfig_of_another_cluster_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("current-context: production\n")
    with pytest.raises(ClusterStartError, match="refusing to overwrite"):
        async with DevCluster.start(kubeconfig=path):
            pytest.fail("it starts")
    assert path.read_text() == "current-context: production\n"


async def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ClusterStartError, match=f"port {port}.*choose another port"):
            async with DevCluster.start(port=port):
                pytest.fail("it listens")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/namespaces/default/configmaps", "[]"),
        ("POST", "/api/v1/namespaces/default/configmaps", '{"metadata": []}'),
        ("POST", "/api/v1/namespaces/default/configmaps", '{"metadata": {"name": 1}}'),
        ("POST", "/api/v1/namespaces/default/configmaps", '{"metadata": {"name": "a", "labels": [1]}}'),
        ("POST", "/api/v1/namespaces/default/configmaps", '{"metadata": {"name": "a", "labels": {"a": 1}}}'),
        ("POST", "/api/v1/namespaces/default/configmaps", '{"metadata": {"name": "a", "ownerReferences": [{}]}}'),
        ("POST", "/api/v1/namespaces/default/configmaps", '{"metadata": {"name": "a", "finalizers": "x"}}'),
        (
            "POST",
            "/api/v1/namespaces/default/configmaps",
            '{"metadata": {"name": "a", "managedFields": [{"operation": "Fly"}]}}',
        ),
        ("POST", "/api/v1/namespaces/default/configmaps", ""),
        ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", '{"metadata": {"name": "a"}}'),
        ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", '{"metadata": {"name": "a"}, "spec": 3}'),
        ("DELETE", "/api/v1/namespaces/default/configmaps", "[1]"),
        ("PATCH", f"/apis/{GROUP}/v1/namespaces/default/gauges/a", "[1]"),
        ("PATCH", f"/apis/{GROUP}/v1/namespaces/default/gauges/a", '{"metadata": {"labels": 3}}'),
        ("PATCH", f"/apis/{GROUP}/v1/namespaces/default/gauges/a", '{"metadata": null}'),
        ("PATCH", f"/apis/{GROUP}/v1/namespaces/default/gauges/a/scale", '{"spec": 3}'),
        ("PATCH", f"/apis/{GROUP}/v1/namespaces/default/gauges/a/status", '{"status": 3}'),
    ],
)
async def test_malformed_objects_are_the_clients_fault(cluster: DevCluster, method: str, path: str, body: str) -> None:
    """Never a 500: whatever is wrong with a body, the answer says so and the server stays sound."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    async with session(cluster) as client:
        async with client.post(f"/apis/{GROUP}/v1/namespaces/default/gauges", json=gauge("a")) as answer:
            assert answer.status == 201
        async with client.request(method, path, data=body, headers={"Content-Type": kind}) as answer:
            assert 400 <= answer.status < 500, await answer.text()
            assert (await answer.json())["kind"] == "Status"
        async with client.get(f"/apis/{GROUP}/v1/gauges") as answer:
            assert len((await answer.json())["items"]) == 1


async def test_clients_carry_on_after_a_restart_with_data(tmp_path: Path) -> None:
    """Same certificate, token, revisions and finalizers in progress; a watch from before resumes."""
    data, kubeconfig = tmp_path / "data", tmp_path / "kubeconfig"
    path = f"/apis/{GROUP}/v1/namespaces/default/gauges"
    async with DevCluster.start(data=data, kubeconfig=kubeconfig, crds=[gauge_crd(with_rules=True)]) as first:
        port = int(first.url.rpartition(":")[2])
        async with session(first) as client:
            held = gauge("held")
            held["metadata"]["finalizers"] = ["sparkiot.dev/test"]
            async with client.post(path, json=held) as answer:
                assert answer.status == 201
            async with client.delete(f"{path}/held") as answer:
                revision = (await answer.json())["metadata"]["resourceVersion"]
    written = kubeconfig.read_text()
    async with DevCluster.start(data=data, kubeconfig=kubeconfig, port=port) as second:
        assert kubeconfig.read_text() == written
        async with session(second) as client:
            patch = {"metadata": {"finalizers": None}}
            headers = {"Content-Type": "application/merge-patch+json"}
            async with client.patch(f"{path}/held", json=patch, headers=headers) as answer:
                assert answer.status == 200
            params = {"watch": "1", "resourceVersion": revision, "timeoutSeconds": "10"}
            async with client.get(path, params=params) as answer:
                event = json.loads(await answer.content.readline())
            assert (event["type"], event["object"]["metadata"]["name"]) == ("DELETED", "held")


async def test_deleting_a_crd_takes_its_resources_along(cluster: DevCluster, tmp_path: Path) -> None:
    crd = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}"
    async with session(cluster) as client:
        async with client.post(f"/apis/{GROUP}/v1/namespaces/default/gauges", json=gauge("a")) as answer:
            assert answer.status == 201
        async with client.delete(crd) as answer:
            assert answer.status == 200
        for gone in (crd, f"/apis/{GROUP}/v1/gauges"):
            async with asyncio.timeout(120):
                while (await client.get(gone)).status != 404:  # noqa: ASYNC110 the condition is on a server
                    await asyncio.sleep(0.02)
        async with client.get("/apis") as answer:
            assert GROUP not in {group["name"] for group in (await answer.json())["groups"]}
    async with connect(tmp_path / "kubeconfig") as server:  # the CRD comes back without the old objects
        assert (await server.get(f"/apis/{GROUP}/v1/gauges")).ok()["items"] == []


async def test_every_watcher_sees_every_change_in_order(cluster: DevCluster, tmp_path: Path) -> None:
    async with connect(tmp_path / "kubeconfig") as server:
        path = f"{server.path}/a"
        start = (await server.create(server.path, gauge("a"))).ok()["metadata"]["resourceVersion"]
        watchers = [
            asyncio.create_task(server.events(server.path, stop_after=50, resourceVersion=start)) for _ in range(20)
        ]
        for replicas in range(50):
            (await server.patch(path, {"spec": {"replicas": replicas}})).ok()
        for events in await asyncio.gather(*watchers):
            assert [event["object"]["spec"]["replicas"] for event in events] == list(range(50))


def test_the_python_client_works(cluster: DevCluster) -> None:
    api = kubernetes.config.new_client_from_config(str(cluster.kubeconfig))
    core = kubernetes.client.CoreV1Api(api)
    custom = kubernetes.client.CustomObjectsApi(api)
    body = kubernetes.client.V1ConfigMap(metadata=kubernetes.client.V1ObjectMeta(name="c"), data={"a": "1"})
    assert core.create_namespaced_config_map("default", body).metadata.uid
    with pytest.raises(kubernetes.client.ApiException) as raised:
        core.create_namespaced_config_map("default", body)
    assert raised.value.status == 409
    assert core.patch_namespaced_config_map("c", "default", {"data": {"b": "2"}}).data == {"a": "1", "b": "2"}
    custom.create_namespaced_custom_object(GROUP, "v1", "default", "gauges", gauge("a"))
    lease = kubernetes.client.V1Lease(metadata=kubernetes.client.V1ObjectMeta(name="l"))
    kubernetes.client.CoordinationV1Api(api).create_namespaced_lease("default", lease)
    seen = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(
        custom.list_namespaced_custom_object, GROUP, "v1", "default", "gauges", timeout_seconds=10
    ):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        watch.stop()
    assert seen == [("ADDED", "a")]
    names: list[Any] = [item.metadata.name for item in core.list_namespace().items]
    assert {"default", "kube-system"} <= set(names)
