"""The chart installed, upgraded and uninstalled by the real helm, and its operator run from its own manifests."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support_helm import CHART, RELEASES, Helm
from support_install import pod_of, ready
from support_operator import Kubectl, simulated_job, wait_until

from sparkiot_operator.crd import build_crd
from sparkiot_sim.devcluster import DevCluster
from sparkiot_sim.nodeagent import LocalImage
from sparkiot_sim.nodeagent.cluster import cluster_with_node_in_thread

CRD = "sparkiotjobs.sparkiot.dev"
ADDED = "ttlSecondsAfterFinished"
INSTALL = ("install", "sparkiot", str(CHART), "-n", "sparkiot", "--create-namespace")
UPGRADE = ("upgrade", "sparkiot", str(CHART), "-n", "sparkiot")
UNINSTALL = ("uninstall", "sparkiot", "-n", "sparkiot")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kubectl(tmp_path: Path) -> Iterator[Kubectl]:
    """A cluster without anything of ours."""
    with DevCluster.in_thread(kubeconfig=tmp_path / "kubeconfig"):
        yield Kubectl(tmp_path / "kubeconfig")


def crd(kubectl: Kubectl) -> dict[str, Any]:
    return dict(json.loads(kubectl("get", "crd", CRD, "-o", "json")))


def older_chart(folder: Path) -> Path:
    """The chart as it might have been: its CRD has another short name, and no time to live yet."""
    copy = folder / "older"
    shutil.copytree(CHART, copy)
    file = copy / "templates" / "crds" / "sparkiotjobs.yaml"
    head, _, body = file.read_text().partition("\nspec:\n")
    spec = yaml.safe_load(body.rpartition("{{- end }}")[0])
    spec["names"]["shortNames"] = ["old"]
    del spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][ADDED]
    file.write_text(f"{head}\n{yaml.safe_dump({'spec': spec})}{{{{- end }}}}\n")
    return copy


def test_the_crd_follows_upgrades_and_outlives_the_release(release: str, kubectl: Kubectl, tmp_path: Path) -> None:
    helm = Helm(release, tmp_path, tmp_path / "kubeconfig")
    helm("install", "sparkiot", str(older_chart(tmp_path)), *INSTALL[3:])
    assert crd(kubectl)["spec"]["names"]["shortNames"] == ["old"]
    job = simulated_job("kept", spec={ADDED: 60})
    unknown = kubectl.run("apply", "-f", "-", stdin=[job])
    assert f'unknown field "spec.{ADDED}"' in unknown.stderr
    kubectl("apply", "--validate=false", "-f", "-", stdin=[job])
    assert ADDED not in json.loads(kubectl("get", "old", "kept", "-o", "json"))["spec"]

    helm(*UPGRADE)
    assert crd(kubectl)["spec"]["names"]["shortNames"] == ["sij"]
    versions = crd(kubectl)["spec"]["versions"]
    assert versions[0]["schema"] == build_crd()["spec"]["versions"][0]["schema"]
    assert kubectl("get", "sij", "-o", "name").split() == [f"sparkiotjob.{CRD.partition('.')[2]}/kept"]
    kubectl("apply", "-f", "-", stdin=[job])
    assert kubectl.job("kept")["spec"][ADDED] == 60

    helm("rollback", "sparkiot", "1", "-n", "sparkiot")
    assert crd(kubectl)["spec"]["names"]["shortNames"] == ["old"]
    assert kubectl("get", "old", "kept", "-o", "name")
    helm(*UPGRADE)

    helm(*UNINSTALL)
    assert kubectl("-n", "sparkiot", "get", "deployments,services,serviceaccounts", "-o", "name").split() == [
        "serviceaccount/default"
    ]
    assert kubectl("get", "clusterroles,clusterrolebindings", "-o", "name") == ""
    assert kubectl("get", "sij", "kept", "-o", "name")

    helm(*INSTALL, values={"crds": {"keep": False}})
    helm(*UNINSTALL)
    wait_until(lambda: kubectl.run("get", "crd", CRD).returncode != 0, what="the CRD is gone with its release")


def test_a_crd_of_somebody_else_is_left_alone_until_it_is_taken_over(
    release: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    helm = Helm(release, tmp_path, tmp_path / "kubeconfig")
    kubectl("apply", "--server-side", "-f", str(CHART.parents[1] / "crds"))
    refused = helm.run(*INSTALL)
    assert refused.returncode != 0
    assert "invalid ownership metadata" in refused.stderr
    other = ("install", "other", str(CHART), "-n", "other", "--create-namespace")
    without = helm.run(*other, values={"crds": {"install": False}})
    assert without.returncode == 0, without.stderr
    assert "This release does not bring the CRD" in without.stdout
    helm("upgrade", "--install", *INSTALL[1:], "--take-ownership")
    assert crd(kubectl)["metadata"]["annotations"]["meta.helm.sh/release-name"] == "sparkiot"


def test_what_is_installed_without_values_runs_the_job_of_its_notes(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    image = LocalImage("sparkiot-operator:0.1.0", Path(sys.executable))
    with cluster_with_node_in_thread(kubeconfig=kubeconfig, images=[image]) as cluster:
        helm, kubectl = Helm("4", tmp_path, kubeconfig), Kubectl(kubeconfig)
        notes = helm(*INSTALL)
        deployment = json.loads(kubectl("-n", "sparkiot", "get", "deployment", "sparkiot", "-o", "json"))
        kubectl("apply", "-f", "-", stdin=[pod_of(deployment, name="sparkiot-0")])
        wait_until(lambda: ready(kubectl, "sparkiot", "sparkiot-0"), what="the operator's pod is ready")

        assert "Succeeded" in Helm("3", tmp_path, kubeconfig)("test", "sparkiot", "-n", "sparkiot")
        assert kubectl("-n", "sparkiot", "get", "sij,roles", "-o", "name").split() == [
            "role.rbac.authorization.k8s.io/sparkiot-leader"
        ]

        job = re.search(r"<<EOF\n(.*?)^ *EOF$", notes, re.S | re.M)
        assert job is not None
        kubectl("apply", "-f", "-", stdin=[yaml.safe_load(job[1])])
        kubectl("wait", "sij/first", "--for=condition=Ready", "--timeout=110s")
        kubectl("delete", "sij", "first", "--timeout=110s")
        kubectl("-n", "sparkiot", "delete", "pod", "sparkiot-0")
        requests = cluster.requests.of("system:serviceaccount:sparkiot:sparkiot")
        assert requests
        assert {request.access for request in requests if request.code == 403} == set()
