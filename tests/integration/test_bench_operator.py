"""``sparkiot bench operator`` on an embedded cluster: it measures, and takes away what it made when it is stopped."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support_operator import Kubectl, Process, wait_until
from typer.testing import CliRunner

from sparkiot_operator.cli import app

JOBS = 5


def command(folder: Path, *arguments: str) -> list[str]:
    fast = ("--interval", "1s", "--warm-up", "0s", "--to", str(folder))
    return [sys.executable, "-m", "sparkiot_operator", "bench", "operator", *fast, *arguments]


def test_five_jobs_are_measured_on_a_cluster_of_its_own(tmp_path: Path) -> None:
    arguments = ("--embedded", "--jobs", f"2,{JOBS}", "--duration", "2s", "-o", "json")
    done = subprocess.run(command(tmp_path, *arguments), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    few, many = json.loads(done.stdout)
    assert (few["jobs"], many["jobs"]) == (2, JOBS)
    for row in (few, many):
        assert row["decisions"] > 0
        assert row["decisions_wanted"] == row["jobs"]
        assert 0 < row["lateness_p50"] <= row["lateness_p99"]
        assert row["errors"] == 0
    with (tmp_path / "operator.csv").open(newline="") as file:
        assert [row["jobs"] for row in csv.DictReader(file)] == ["2", str(JOBS)]
    assert f"| {JOBS} |" in (tmp_path / "operator.md").read_text()
    assert f"deleting {JOBS} jobs and namespace sparkiot-bench" in done.stderr


def test_stopped_in_the_middle_it_leaves_nothing(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    cluster = Process("dev", "--no-node", "--port", "0", "--kubeconfig", str(kubeconfig), log=tmp_path / "dev.log")
    try:
        kubectl = Kubectl(kubeconfig)
        wait_until(kubeconfig.exists, what="the cluster is there")
        log = tmp_path / "bench.log"
        arguments = command(tmp_path, "--kubeconfig", str(kubeconfig), "--jobs", "3", "--duration", "10m")
        with log.open("w") as output:
            bench = subprocess.Popen(arguments, stderr=output, stdout=output, env=os.environ)
        wait_until(lambda: "measuring" in log.read_text() or bench.poll() is not None, what="it measures")
        assert kubectl("get", "sij", "-n", "sparkiot-bench", "-o", "name").count("\n") == 3
        bench.send_signal(signal.SIGTERM)  # which comes as Ctrl-C does
        assert bench.wait(120) == 130, log.read_text()
        assert "stopped before everything was measured" in log.read_text()
        assert kubectl("get", "sij", "-A", "-o", "name") == ""
        assert "sparkiot-bench" not in kubectl("get", "namespaces", "-o", "name")
    finally:
        cluster.end()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--jobs", "0"), "numbers from 1"),
        (("--jobs", "ten"), "numbers from 1"),
        (("--interval", "soon"), "not a duration"),
        (("--embedded", "--metrics", "http://127.0.0.1:1/metrics"), "of its own"),
    ],
)
def test_wrong_usage_is_one_message(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["bench", "operator", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
