"""The commands that read a cluster, against a running operator on the embedded one."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_operator import Process, Rig, running_rig, simulated_job, wait_until


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("cli")
    flags = ("--health-port", "0", "--status-interval-seconds", "0.2", "--dashboard", "--dashboard-port", "0")
    with running_rig(folder, *flags) as running:
        running.kubectl("apply", "-f", "-", stdin=[simulated_job("ward")])
        wait_until(lambda: running.kubectl.status("ward").get("latency"), what="the job is measured", rig=running)
        yield running


def sparkiot(rig: Rig, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparkiot_operator", *arguments]
    env = {**os.environ, "KUBECONFIG": str(rig.kubeconfig)}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=env)


def test_top_shows_what_the_status_says(rig: Rig) -> None:
    result = sparkiot(rig, "top", "--once")
    assert result.returncode == 0, result.stderr
    status = rig.kubectl.status("ward")
    for shown in ("default/ward", "Running", status["allocation"]["memory"], status["allocation"]["tier"], "1s"):
        assert shown in result.stdout


def test_top_for_machines_and_one_namespace(rig: Rig) -> None:
    (job,) = json.loads(sparkiot(rig, "top", "-o", "json").stdout)
    assert job["metadata"]["name"] == "ward"
    assert job["status"]["phase"] == "Running"
    assert json.loads(sparkiot(rig, "top", "-o", "json", "-n", "elsewhere").stdout) == []


def test_explain_without_an_audit_log_reads_status_and_events(rig: Rig) -> None:
    result = sparkiot(rig, "explain", "ward")
    assert result.returncode == 0, result.stderr
    for shown in ("policy", "Rate (builtin)", "allocation", "ObjectiveMet", "PolicyLoaded", "event"):
        assert shown in result.stdout
    found = json.loads(sparkiot(rig, "explain", "ward", "-o", "json").stdout)
    assert found["status"]["decision"]["policy"] == {"name": "Rate", "digest": "builtin"}
    assert {event["involvedObject"]["name"] for event in found["events"]} == {"ward"}


def test_explain_of_an_absent_job_is_one_line(rig: Rig) -> None:
    result = sparkiot(rig, "explain", "nobody")
    assert result.returncode == 1
    assert "nobody" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("content", "message"), [("not: [", "is not YAML"), ("apiVersion: v1\nkind: Config\n", "names no cluster")]
)
def test_an_unusable_kubeconfig_is_one_line(rig: Rig, tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    result = sparkiot(rig, "top", "--once", "--kubeconfig", str(path))
    assert result.returncode == 78
    assert message in result.stderr
    assert str(path) in result.stderr.replace("\n", "")
    assert "Traceback" not in result.stderr


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def served(text: str) -> str:
    found = re.search(r"dashboard (?:is )?on (http://127\.0\.0\.1:\d+/)", text)
    return found[1] if found else ""


def test_the_operators_own_page_remembers_what_it_decides(rig: Rig) -> None:
    url = wait_until(lambda: served(rig.operator.text()), what="the operator serves its page", rig=rig)
    text = wait_until(
        lambda: found if "cycles from" in (found := fetch(f"{url}jobs/default/ward")) else "",
        what="a timeline",
        rig=rig,
    )
    for wanted in ("rule Rate", "Distance to the rule", "Load, msg/s", "default/ward"):
        assert wanted in text
    load = text.split("Load: ")[1].split(".")[0]
    assert "msg/s now" in load
    assert "PolicyLoaded" in text.split('id="events"')[1], "events are read with the operator's rights"
    assert "ward" in fetch(url)


def test_a_page_without_an_audit_log_shows_what_statuses_hold(rig: Rig, tmp_path: Path) -> None:
    page = Process("dashboard", "--port", "0", "--kubeconfig", str(rig.kubeconfig), log=tmp_path / "page.log")
    try:
        url = wait_until(lambda: served(page.text()), what="the page is served")
        text = wait_until(
            lambda: found if "cycles from" in (found := fetch(f"{url}jobs/default/ward")) else "", what="a timeline"
        )
    finally:
        assert page.end(signal.SIGINT) == 0
    assert "Load: not known." in text
    assert "Executors running: not known." not in text
    assert "it takes an operator's memory or its audit log" in text
    assert "Traceback" not in page.text()


def test_a_page_whose_port_is_taken_or_folder_is_absent_is_one_line(rig: Rig) -> None:
    url = served(rig.operator.text())
    result = sparkiot(rig, "dashboard", "--port", url.rstrip("/").rpartition(":")[2])
    assert (result.returncode, "is in use; choose another with --port" in result.stderr) == (69, True)
    result = sparkiot(rig, "dashboard", "--audit-dir", "/nowhere")
    assert (result.returncode, "/nowhere: no such folder" in result.stderr) == (1, True)
