"""The operator's own calls to an API server, and what becomes of the ways in which they fail."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml
from support_operator import free_port, simulated_job

from sparkiot_operator.crd import build_crd
from sparkiot_operator.errors import (
    ApiConflictError,
    ApiNotFoundError,
    ApiRefusedError,
    ApiUnreachableError,
    KubeconfigError,
    NotLeadingError,
)
from sparkiot_operator.events import Event, JobRef, build_event
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.login import connection_info
from sparkiot_operator.metrics import Metrics
from sparkiot_sim.devcluster import DevCluster

JOBS = "/apis/sparkiot.dev/v1alpha1/namespaces/default/sparkiotjobs"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    kubeconfig = tmp_path_factory.mktemp("kube") / "kubeconfig"
    with DevCluster.in_thread(kubeconfig=kubeconfig, crds=[build_crd()]) as found:
        yield found


@pytest.fixture
async def api(cluster: DevCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeApi]:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    async with KubeApi(timeout_s=10) as found:
        yield found


async def test_a_status_is_patched_and_events_are_written(api: KubeApi) -> None:
    await api.check()
    created = await api._call("POST", JOBS, body=simulated_job("one"))
    uid, version = created["metadata"]["uid"], created["metadata"]["resourceVersion"]
    second = await api.patch_status("default", "one", {"phase": "Running", "replicas": 3}, version=version)
    with pytest.raises(ApiConflictError):
        await api.patch_status("default", "one", {"phase": "Failed"}, version=version)
    third = await api.patch_status("default", "one", {"replicas": None}, version=second)
    assert (await api._call("GET", f"{JOBS}/one"))["status"] == {"phase": "Running"}
    event = build_event(JobRef("default", "one", uid), Event("ScaledUp", "4 -> 6"), held=0, now=1.7e9)
    await api.create_event("default", event)
    with pytest.raises(ApiRefusedError, match="409"):
        await api.delete_job("default", "one", uid="another")
    await api.delete_job("default", "one", uid=uid)
    with pytest.raises(ApiNotFoundError):
        await api.patch_status("default", "one", {"phase": "Running"}, version=third)


async def test_what_the_schema_forbids_is_refused_with_the_servers_words(api: KubeApi) -> None:
    created = await api._call("POST", JOBS, body=simulated_job("two"))
    with pytest.raises(ApiRefusedError, match=r"PATCH .*/two/status: 422 .*phase"):
        await api.patch_status("default", "two", {"phase": "Dancing"}, version=created["metadata"]["resourceVersion"])


async def test_absent_config_maps(api: KubeApi) -> None:
    with pytest.raises(ApiNotFoundError, match="configmaps/nowhere"):
        await api.read_config_map("default", "nowhere")


async def test_a_token_that_expired_is_replaced(
    cluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.kubeconfig is not None
    good = cluster.kubeconfig.read_text()
    config = yaml.safe_load(good)
    config["users"][0]["user"] = {"token": "expired"}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with KubeApi(timeout_s=10) as api:
        with pytest.raises(ApiRefusedError, match="401"):
            await api.check()
        kubeconfig.write_text(good)
        await api.check()


async def test_a_server_that_is_away_is_temporary(
    cluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.kubeconfig is not None
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    async with KubeApi(timeout_s=10) as api:
        with pytest.raises(ApiUnreachableError, match=r"GET /apis/sparkiot\.dev/v1alpha1: no answer"):
            await api.check()


async def test_calls_are_counted_by_verb_and_code_and_those_that_got_no_answer(
    cluster: DevCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.kubeconfig is not None
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    metrics = Metrics()
    async with KubeApi(timeout_s=10, trace=metrics.api.trace) as api:
        await api.check()
        await api.list_jobs("default")
        with pytest.raises(ApiNotFoundError):
            await api.patch_status("default", "nobody", {"phase": "Running"}, version="1")
        await api.read(f"{JOBS}?watch=true&timeoutSeconds=1")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
    (tmp_path / "away").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "away"))

    def refuse() -> None:
        raise NotLeadingError("the lease is lost")

    async with KubeApi(timeout_s=10, trace=metrics.api.trace) as api:
        with pytest.raises(ApiUnreachableError):
            await api.list_jobs("default")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    async with KubeApi(timeout_s=10, fence=refuse, trace=metrics.api.trace) as api:
        with pytest.raises(NotLeadingError):
            await api.patch_status("default", "nobody", {"phase": "Running"}, version="1")
    text = metrics.render().decode()
    counted = dict(re.findall(r"^sparkiot_api_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE))
    assert counted == {
        'code="200",verb="GET"': "2.0",
        'code="404",verb="PATCH"': "1.0",
        'code="200",verb="WATCH"': "1.0",
        'code="error",verb="GET"': "1.0",
    }, "what is held back in this process says nothing of the server"
    assert 'sparkiot_api_request_duration_seconds_count{verb="GET"} 2.0' in text
    assert 'duration_seconds_count{verb="WATCH"}' not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"\xff\xfe", "cannot be read"),
        (b"a: [", "is not YAML"),
        (b"", "names no cluster"),
        (
            b"clusters: [{name: a, cluster: {server: 'https://x'}}]\ncurrent-context: b\n",
            "no usable cluster credentials",
        ),
    ],
)
def test_kubeconfigs_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(KubeconfigError, match=message):
        connection_info()
