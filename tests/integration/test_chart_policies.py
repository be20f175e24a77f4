"""Policies from a ConfigMap and from S3, each by its digest, in the operator that the chart installs."""

import base64
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import botocore.config
import pytest
from support_helm import CHART, Helm
from support_install import pod_of, ready
from support_operator import Json, Kubectl, simulated_job, wait_until
from support_policies import policy_artifact
from support_tiers import BUCKET, KEY, SECRET, Server, s3_server

from sparkiot_operator.policy_fetching import Store, fetch
from sparkiot_operator.policy_source import Source
from sparkiot_policies.errors import ArtifactError
from sparkiot_sim.nodeagent import LocalImage
from sparkiot_sim.nodeagent.cluster import cluster_with_node_in_thread

NAMESPACE = "sparkiot"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """Two artifacts as archives, each with its digest."""
    folder = tmp_path_factory.mktemp("archives")
    found = {}
    for seed, name in enumerate(("mine", "far")):
        digest = policy_artifact(folder / name, seed=seed).manifest.digest
        with tarfile.open(folder / f"{name}.tgz", "w:gz") as archive:
            archive.add(folder / name, arcname=name)
        found[name] = (folder / f"{name}.tgz", digest)
    return found


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, archives: dict[str, tuple[Path, str]]) -> Iterator[str]:
    """A real S3 server with the archive of ``far``, and something else under another key."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        client = boto3.client(
            "s3",
            endpoint_url=url(server),
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )
        client.put_object(Bucket=BUCKET, Key="policies/far.tgz", Body=archives["far"][0].read_bytes())
        client.put_object(Bucket=BUCKET, Key="policies/text.tgz", Body=b"no archive at all")
        yield url(server)


def url(server: Server) -> str:
    return server.address.rpartition("/")[0]


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.mark.usefixtures("credentials")
def test_an_archive_is_kept_only_under_its_own_digest(
    endpoint: str, archives: dict[str, tuple[Path, str]], tmp_path: Path
) -> None:
    source, target = Source(BUCKET, "policies/far.tgz"), tmp_path / "far"
    with pytest.raises(ArtifactError, match=r"^s3://shuffle/policies/far\.tgz: the artifact's digest is .*, expected"):
        fetch(source, archives["mine"][1], target, Store(endpoint))
    assert list(tmp_path.iterdir()) == []
    fetch(source, archives["far"][1], target, Store(endpoint))
    assert target.read_bytes() == archives["far"][0].read_bytes()


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Source(BUCKET, "policies/none.tgz"), "no such object"),
        (Source("nobody", "policies/far.tgz"), "no such bucket"),
        (Source(BUCKET, "policies/text.tgz"), "damaged, or not a folder, zip or tar"),
    ],
)
def test_what_cannot_be_fetched_is_named_with_the_reason(
    endpoint: str, tmp_path: Path, source: Source, said: str
) -> None:
    with pytest.raises(ArtifactError, match=said) as refused:
        fetch(source, "sha256:" + "0" * 64, tmp_path / "policy", Store(endpoint))
    assert str(refused.value).startswith(f"{source}: ")
    assert list(tmp_path.iterdir()) == []


def test_wrong_and_missing_credentials_are_told_apart(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    source = Source(BUCKET, "policies/far.tgz")
    with pytest.raises(ArtifactError, match="no credentials; name a secret"):
        fetch(source, "sha256:" + "0" * 64, tmp_path / "policy", Store(endpoint))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(ArtifactError, match="refuses the credentials") as refused:
        fetch(source, "sha256:" + "0" * 64, tmp_path / "policy", Store(endpoint))
    assert "wrong" not in str(refused.value)


def test_the_installed_operator_loads_what_was_vouched_for_and_nothing_else(
    endpoint: str, archives: dict[str, tuple[Path, str]], tmp_path: Path
) -> None:
    digests = {"mine": archives["mine"][1], "far": archives["far"][1], "forged": archives["mine"][1]}
    sources = dict.fromkeys(("far", "forged"), f"s3://{BUCKET}/policies/far.tgz")
    values = {
        "policies": {
            "digests": digests,
            "configMap": "policies",
            "s3": {"sources": sources, "endpoint": endpoint, "credentialsSecret": "s3"},
        },
        "operator": {"settings": {"policyReloadSeconds": 0.5}},
    }
    image = LocalImage("sparkiot-operator:0.1.0", Path(sys.executable))
    with cluster_with_node_in_thread(kubeconfig=tmp_path / "kubeconfig", images=[image]):
        helm, kubectl = Helm("4", tmp_path, tmp_path / "kubeconfig"), Kubectl(tmp_path / "kubeconfig")
        helm("install", "sparkiot", str(CHART), "-n", NAMESPACE, "--create-namespace", values=values)
        kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=[policies(archives["mine"][0]), secret()])
        deployment = json.loads(kubectl("-n", NAMESPACE, "get", "deployment", "sparkiot", "-o", "json"))
        kubectl("apply", "-f", "-", stdin=[pod_of(deployment, name="sparkiot-0")])
        wait_until(lambda: ready(kubectl, NAMESPACE, "sparkiot-0"), what="the operator's pod is ready")
        jobs = [simulated_job(name, spec={"policy": {"name": name}}) for name in ("default", *digests)]
        kubectl("apply", "-f", "-", stdin=jobs)

        def told(name: str) -> Json:
            return wait_until(lambda: kubectl.condition(name, "PolicyLoaded"), what=f"{name} is loaded or refused")

        assert told("default")["status"] == "True"
        for name in ("mine", "far"):
            assert told(name)["status"] == "True", told(name)
            assert digests[name] in told(name)["message"]
        assert told("forged")["status"] == "False"
        for word in (sources["forged"], digests["far"], f"expected {digests['forged']}"):
            assert word in told("forged")["message"]
        assert kubectl.status("forged")["phase"] == "Running"
        kubectl("delete", "sij", "--all", "--timeout=110s")
        kubectl("-n", NAMESPACE, "delete", "pod", "sparkiot-0")


def policies(archive: Path) -> Json:
    data = {archive.name: base64.b64encode(archive.read_bytes()).decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "policies"}, "binaryData": data}


def secret() -> Json:
    data = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3"}, "stringData": data}
