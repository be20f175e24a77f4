"""The operator as a process against the embedded cluster, seen through the real kubectl."""

import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_operator import Kubectl, Process, Rig, config_map, running_rig, simulated_job, wait_until
from support_policies import policy_artifact

from sparkiot_operator.audit import read_audit
from sparkiot_operator.times import parse_timestamp

FAST = ("--health-port", "0", "--status-interval-seconds", "0.3", "--error-backoff-seconds", "0.3",
        "--error-backoff-max-seconds", "1", "--policy-reload-seconds", "0.3")  # fmt: skip


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("operator")
    (folder / "policies").mkdir()
    flags = (*FAST, "--policies-dir", str(folder / "policies"), "--audit-dir", str(folder / "audit"))
    with running_rig(folder, *flags) as found:
        yield found


@pytest.fixture
def kubectl(rig: Rig) -> Iterator[Kubectl]:
    yield rig.kubectl
    rig.kubectl("delete", "sij,configmaps", "--all", "--wait=true", "--timeout=110s")


def job_time(rig: Rig, name: str) -> float:
    return parse_timestamp(rig.kubectl.status(name)["simulation"]["time"])


def wait_for_cycles(rig: Rig, name: str, *, cycles: int) -> None:
    """Until the job has taken so many decisions more (10 s of job time each)."""
    goal = job_time(rig, name) + 10 * cycles
    wait_until(lambda: job_time(rig, name) >= goal, what=f"{cycles} cycles of {name}", rig=rig)


def test_a_job_runs_scales_and_says_so(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("runs")])
    kubectl("wait", "sij/runs", "--for=condition=Ready", "--timeout=110s")
    wait_until(lambda: "ScaledUp" in kubectl.reasons("runs"), what="a ScaledUp event", rig=rig)
    wait_until(lambda: "latency" in kubectl.status("runs"), what="a latency", rig=rig)

    header, row = (line.split() for line in kubectl("get", "sij").splitlines())
    shown = dict(zip(header, row, strict=True))
    assert shown["PHASE"] == "Running"
    assert int(shown["EXECUTORS"]) >= 1
    assert int(shown["WANTED"]) > 4  # the allocation it started with
    assert shown["TIER"] == "Warm"
    assert float(shown["COST/H"]) > 0
    assert 0 <= float(shown["ATTAINMENT"]) <= 1

    job = kubectl.job("runs")
    assert job["metadata"]["finalizers"] == ["sparkiot.dev/operator"]
    assert job["status"]["observedGeneration"] == job["metadata"]["generation"]
    types = [c["type"] for c in job["status"]["conditions"]]
    assert types == ["Ready", "PolicyLoaded", "ObservationFresh", "ObjectiveMet", "ScalingLimited", "Degraded"]
    assert job["status"]["decision"]["policy"]["name"] == "Rate"
    events = kubectl.events("runs")
    assert {"Started", "PolicyLoaded", "ScaledUp"} <= {e["reason"] for e in events}
    scaled = next(e for e in events if e["reason"] == "ScaledUp")
    assert scaled["type"] == "Normal"
    assert "executors 4 -> " in scaled["message"]
    assert scaled["source"]["component"] == "sparkiot-operator"


def test_advise_publishes_and_touches_nothing_active_applies_paused_holds(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("modes", spec={"scaling": {"interval": "10s", "mode": "Advise"}})])
    wait_until(
        lambda: kubectl.status("modes").get("recommended", {}).get("executors", 0) > 4, what="advice to grow", rig=rig
    )
    wait_for_cycles(rig, "modes", cycles=10)
    assert kubectl.status("modes")["allocation"]["executors"] == 4

    kubectl.patch("modes", {"scaling": {"mode": "Active"}})
    wait_until(lambda: kubectl.status("modes")["allocation"]["executors"] > 4, what="the advice is taken", rig=rig)

    kubectl.patch("modes", {"scaling": {"mode": "Paused"}})
    paused = kubectl.job("modes")["metadata"]["generation"]
    wait_until(lambda: kubectl.status("modes")["observedGeneration"] == paused, what="the pause is seen", rig=rig)
    held = kubectl.status("modes")["allocation"]
    wait_for_cycles(rig, "modes", cycles=60)
    assert kubectl.status("modes")["allocation"] == held


def test_an_edit_takes_effect_at_once(rig: Rig, kubectl: Kubectl) -> None:
    # An hour between decisions: only the edit itself can have woken the loop.
    slow = {"interval": "1h", "executors": {"min": 8, "max": 8}}
    kubectl("apply", "-f", "-", stdin=[simulated_job("edit", spec={"scaling": slow}, simulation={"acceleration": 1})])
    wait_until(lambda: kubectl.status("edit").get("replicas") == 8, what="eight executors", rig=rig)
    kubectl.patch("edit", {"scaling": {"executors": {"min": 1, "max": 3}}})
    wait_until(lambda: kubectl.status("edit")["allocation"]["executors"] == 3, what="the new maximum", rig=rig)


def test_kubectl_scale_pins_executors_until_the_override_is_cleared(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("scale")])
    wait_until(lambda: kubectl.status("scale").get("allocation", {}).get("executors", 0) > 4, what="growth", rig=rig)
    kubectl("scale", "sij/scale", "--replicas=2")
    wait_until(lambda: kubectl.status("scale").get("replicas") == 2, what="two executors", rig=rig)
    limited = wait_until(
        lambda: (c := kubectl.condition("scale", "ScalingLimited"))["status"] == "True" and c, what="clamped", rig=rig
    )
    assert "Override" in limited["message"]
    wait_for_cycles(rig, "scale", cycles=20)
    assert kubectl.status("scale")["allocation"]["executors"] == 2

    kubectl.patch("scale", {"scaling": {"executors": {"override": None}}})
    wait_until(lambda: kubectl.status("scale")["allocation"]["executors"] > 2, what="the policy acts again", rig=rig)


def test_a_spec_that_cannot_be_refused_by_the_server_is_refused_with_field_and_value(
    rig: Rig, kubectl: Kubectl
) -> None:
    period = {"start": "22:00", "end": "23:00", "timeZone": "Mars/Base"}
    kubectl("apply", "-f", "-", stdin=[simulated_job("bad", spec={"scaling": {"excludedPeriods": [period]}})])
    refused = wait_until(lambda: kubectl.condition("bad", "Ready"), what="a Ready condition", rig=rig)
    assert (refused["status"], refused["reason"]) == ("False", "InvalidSpec")
    assert "spec.scaling.excludedPeriods[0].timeZone" in refused["message"]
    assert "'Mars/Base'" in refused["message"]
    assert "InvalidSpec" in kubectl.reasons("bad")

    kubectl.patch("bad", {"scaling": {"excludedPeriods": []}})
    kubectl("wait", "sij/bad", "--for=condition=Ready", "--timeout=110s")
    # While it runs, a wrong edit decides nothing and says so.
    kubectl.patch("bad", {"scaling": {"excludedPeriods": [period]}})
    wait_until(lambda: kubectl.condition("bad", "Ready")["reason"] == "InvalidSpec", what="refused again", rig=rig)


def test_an_operator_that_cannot_run_spark_says_what_it_lacks(rig: Rig, kubectl: Kubectl) -> None:
    application = {"image": "spark", "mainApplicationFile": "local:///a.py", "checkpointLocation": "s3a://b/c"}
    kubectl("apply", "-f", "-", stdin=[simulated_job("spark", spec={"backend": "Spark", "application": application})])
    refused = wait_until(lambda: kubectl.condition("spark", "Ready"), what="a Ready condition", rig=rig)
    assert refused["reason"] == "BackendUnavailable"
    assert "SPARKIOT_RUNTIME_IMAGE" in refused["message"]
    assert kubectl.status("spark")["phase"] == "Pending"


def test_suspend_stops_and_resume_goes_on_with_the_backlog(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("pause")])
    wait_until(lambda: kubectl.status("pause").get("allocation", {}).get("executors", 0) > 4, what="growth", rig=rig)
    kubectl.patch("pause", {"suspend": True})
    wait_until(lambda: kubectl.status("pause")["phase"] == "Suspended", what="suspended", rig=rig)
    status = kubectl.status("pause")
    assert status["replicas"] == 0
    origin, allocation = status["simulation"]["origin"], status["allocation"]
    assert kubectl.condition("pause", "Ready")["reason"] == "Suspended"

    kubectl.patch("pause", {"suspend": False})
    wait_until(lambda: kubectl.status("pause")["phase"] == "Running", what="running", rig=rig)
    resumed = kubectl.status("pause")
    assert resumed["simulation"]["origin"] == origin
    assert resumed["allocation"]["memory"] == allocation["memory"]
    assert {"Suspended", "Resumed"} <= set(kubectl.reasons("pause"))


def test_delete_really_removes_the_object_and_its_metrics(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("gone")])
    kubectl("wait", "sij/gone", "--for=condition=Ready", "--timeout=110s")
    series = 'sparkiot_job_executors{name="gone",namespace="default",state="running"}'
    wait_until(lambda: series in health(rig, "/metrics"), what="metrics of the job", rig=rig)
    kubectl("delete", "sij", "gone", "--wait=true", "--timeout=110s")
    assert kubectl.run("get", "sij", "gone").returncode != 0
    wait_until(lambda: 'name="gone"' not in health(rig, "/metrics"), what="the metrics are gone too", rig=rig)


def test_health_and_readiness(rig: Rig, kubectl: Kubectl) -> None:
    assert health(rig, "/healthz") == "ok\n"
    wait_until(lambda: health(rig, "/readyz") == "ok\n", what="ready", rig=rig)


def health(rig: Rig, path: str) -> str:
    """An answer of the operator's health port, as the last operator's log names it."""
    url = re.findall(r"http://127\.0\.0\.1:\d+", rig.operator.text())[-1]
    try:
        with urllib.request.urlopen(url + path, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return f"{error.code}"


def test_a_deletion_that_nobody_served_is_finished_by_the_next_operator(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("orphan")])
    kubectl("wait", "sij/orphan", "--for=condition=Ready", "--timeout=110s")
    rig.operator.end(signal.SIGKILL)
    kubectl("delete", "sij", "orphan", "--wait=false")
    assert kubectl.job("orphan")["metadata"]["deletionTimestamp"]
    rig.start_operator()
    wait_until(lambda: kubectl.run("get", "sij", "orphan").returncode != 0, what="the object is gone", rig=rig)


def test_a_corrupt_policy_file_is_named_and_the_rule_acts(rig: Rig, kubectl: Kubectl) -> None:
    folder = rig.folder / "policies" / "city"
    digest = policy_artifact(folder).manifest.digest
    kubectl("apply", "-f", "-", stdin=[simulated_job("policy", spec={"policy": {"name": "city", "digest": digest}})])
    loaded = wait_until(lambda: kubectl.condition("policy", "PolicyLoaded"), what="a condition", rig=rig)
    assert loaded["status"] == "True"
    assert digest in loaded["message"]

    graph = folder / "policy.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:100])
    broken = wait_until(
        lambda: (c := kubectl.condition("policy", "PolicyLoaded"))["status"] == "False" and c, what="failed", rig=rig
    )
    assert str(folder) in broken["message"]
    assert "policy.onnx" in broken["message"]
    degraded = wait_until(
        lambda: (c := kubectl.condition("policy", "Degraded"))["status"] == "True" and c, what="degraded", rig=rig
    )
    assert degraded["reason"] == "PolicyFailed"
    assert kubectl.status("policy")["phase"] == "Running"
    wait_for_cycles(rig, "policy", cycles=5)
    assert {"PolicyFailed", "FallbackActive"} <= set(kubectl.reasons("policy"))

    graph.write_bytes(whole)
    wait_until(lambda: kubectl.condition("policy", "PolicyLoaded")["status"] == "True", what="loaded again", rig=rig)
    wait_until(lambda: kubectl.condition("policy", "Degraded")["status"] == "False", what="as expected", rig=rig)
    assert "FallbackEnded" in kubectl.reasons("policy")


def test_a_killed_operator_is_followed_by_one_that_adopts(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("adopt")])
    wait_until(lambda: kubectl.status("adopt").get("allocation", {}).get("executors", 0) > 4, what="growth", rig=rig)
    kubectl("scale", "sij/adopt", "--replicas=17")
    # Mid-change: the desired allocation is written, the executors are still on their way.
    wait_until(lambda: kubectl.status("adopt")["allocation"]["executors"] == 17, what="17 are desired", rig=rig)
    rig.operator.end(signal.SIGKILL)
    before = kubectl.status("adopt")
    reasons = kubectl.reasons("adopt")

    rig.start_operator()
    wait_until(
        lambda: kubectl.status("adopt")["simulation"]["time"] != before["simulation"]["time"], what="adopted", rig=rig
    )
    after = kubectl.status("adopt")
    assert after["allocation"] == before["allocation"]
    assert after["simulation"]["origin"] == before["simulation"]["origin"]
    assert job_time(rig, "adopt") > parse_timestamp(before["simulation"]["time"])
    assert kubectl.reasons("adopt").count("Started") == reasons.count("Started") == 1
    wait_until(lambda: kubectl.status("adopt").get("replicas") == 17, what="17 run", rig=rig)
    times = [r.decision.time for r in read_audit([rig.folder / "audit"]) if r.ref.name == "adopt"]
    assert times == sorted(times)


def test_an_api_server_that_goes_and_comes_back(rig: Rig, kubectl: Kubectl) -> None:
    # One size only: a change that cannot be written would rightly wait for the API server.
    fixed = {"interval": "10s", "executors": {"min": 3, "max": 3}}
    kubectl("apply", "-f", "-", stdin=[simulated_job("outage", spec={"scaling": fixed})])
    kubectl("wait", "sij/outage", "--for=condition=Ready", "--timeout=110s")
    rig.cluster.end(signal.SIGTERM)
    decided = len(audited(rig, "outage"))
    wait_until(lambda: len(audited(rig, "outage")) > decided + 3, what="decisions go on during the outage", rig=rig)
    rig.start_cluster()
    wait_for_cycles(rig, "outage", cycles=5)
    kubectl.patch("outage", {"scaling": {"executors": {"min": 1, "max": 2}}})
    wait_until(lambda: kubectl.status("outage")["allocation"]["executors"] <= 2, what="an edit is seen", rig=rig)
    assert rig.operator.alive


def audited(rig: Rig, name: str) -> list[float]:
    return [record.decision.time for record in read_audit([rig.folder / "audit"]) if record.ref.name == name]


def test_a_trace_from_a_config_map_and_what_can_be_wrong_with_it(rig: Rig, kubectl: Kubectl) -> None:
    workload = {"trace": {"configMapKeyRef": {"name": "load", "key": "trace.csv"}}}
    kubectl("apply", "-f", "-", stdin=[simulated_job("trace", simulation={"workload": workload})])
    missing = wait_until(lambda: kubectl.condition("trace", "Ready"), what="a Ready condition", rig=rig)
    assert missing["reason"] == "TraceNotFound"
    assert "ConfigMap load" in missing["message"]

    rows = [f"{60 * i},{100 + i}" for i in range(50)]
    kubectl("apply", "-f", "-", stdin=[config_map("load", ["timestamp,value", *rows[:3], "180,NaN"])])
    invalid = wait_until(
        lambda: (c := kubectl.condition("trace", "Ready"))["reason"] == "TraceInvalid" and c, what="invalid", rig=rig
    )
    assert "ConfigMap load, key trace.csv, line 5" in invalid["message"]

    kubectl("apply", "-f", "-", stdin=[config_map("load", ["timestamp,value", *rows])])
    kubectl("wait", "sij/trace", "--for=condition=Ready", "--timeout=110s")


def test_a_job_with_an_end_completes_and_is_removed_after_its_time_to_live(rig: Rig, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=[simulated_job("short", simulation={"acceleration": 600, "duration": "20m"})])
    wait_until(lambda: kubectl.status("short").get("phase") == "Completed", what="completed", rig=rig)
    assert kubectl.condition("short", "Ready")["reason"] == "Completed"
    end = job_time(rig, "short")
    assert end >= parse_timestamp(kubectl.status("short")["simulation"]["origin"]) + 20 * 60
    kubectl.patch("short", {"ttlSecondsAfterFinished": 0})
    wait_until(lambda: kubectl.run("get", "sij", "short").returncode != 0, what="removed", rig=rig)


def test_sigterm_ends_cleanly_and_keeps_what_runs(tmp_path: Path) -> None:
    with running_rig(tmp_path, *FAST) as rig:
        rig.kubectl("apply", "-f", "-", stdin=[simulated_job("kept")])
        rig.kubectl("wait", "sij/kept", "--for=condition=Ready", "--timeout=110s")
        assert rig.operator.end(signal.SIGTERM) == 0
        assert "Traceback" not in rig.operator.text()
        assert rig.kubectl.status("kept")["phase"] == "Running"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), ("{[", "is not YAML"), ("kind: Config\n", "names no cluster")],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_line(tmp_path: Path, content: str | None, message: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    if content is not None:
        kubeconfig.write_text(content)
    log = tmp_path / "log"
    process = Process("operator", "--all-namespaces", "--kubeconfig", str(kubeconfig), "--health-port", "0", log=log)
    assert process.exit_code() == 78
    (line,) = process.text().splitlines()
    assert str(kubeconfig) in line
    assert message in line


def test_a_port_in_use_is_one_line(rig: Rig, tmp_path: Path) -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        flags = ("--all-namespaces", "--kubeconfig", str(rig.kubeconfig), "--health-port", str(port))
        process = Process("operator", *flags, log=tmp_path / "log")
        assert process.exit_code() == 69
    (line,) = process.text().splitlines()
    assert f"127.0.0.1:{port} is in use" in line
    assert "--health-port" in line
