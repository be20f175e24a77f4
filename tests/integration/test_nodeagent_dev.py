"""`sparkiot dev` as a process: its options for the node, and that no pod's process outlives it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support_nodeagent import Node, main_state, python_pod

CODE = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
    "print(child.pid, flush=True)\ntime.sleep(600)"
)


class Dev:
    """The command in the foreground of its own process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.node = Node(folder / "kubeconfig")
        command = [sys.executable, "-m", "sparkiot_operator", "dev", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            [*command, "--kubeconfig", str(self.node.kubeconfig)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        self.printed = []
        for line in self.process.stdout:
            self.printed.append(line)
            if "Ctrl-C" in line:
                return
        raise AssertionError("".join(self.printed))

    def end(self, number: int) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.process.wait(120)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    running = Dev(tmp_path, "--data", str(tmp_path / "data"), "--image", f"mine:1={sys.executable}")
    yield running
    running.end(signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_command(dev: Dev, tmp_path: Path, number: int) -> None:
    node = dev.node
    node.apply(python_pod("family", CODE, image="mine:1"))
    printed = node.until("the child's pid", lambda: node.phase("family", "Running") and node.kubectl("logs", "family"))
    main = int(node.pod("family")["status"]["containerStatuses"][0]["containerID"].removeprefix("process://"))
    dev.end(number)
    for pid in (main, int(printed)):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(120)  # raises TimeoutExpired for one that lives on
    again = Dev(tmp_path, "--data", str(tmp_path / "data"))
    try:
        pod = again.node.pod("family")
        assert pod["status"]["phase"] == "Failed"
        expected = "Error" if number == signal.SIGTERM else "ContainerStatusUnknown"
        assert main_state(pod)["terminated"]["reason"] == expected
        assert pod["status"].get("reason") == (None if number == signal.SIGTERM else "NodeLost")
    finally:
        again.end(signal.SIGTERM)


def test_without_a_node(tmp_path: Path) -> None:
    dev = Dev(tmp_path, "--no-node")
    try:
        assert dev.node.kubectl("get", "nodes", "-o", "name") == ""
    finally:
        dev.end(signal.SIGTERM)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "spark"], "--image spark: must be NAME=PYTHON"),
        (["--image", "spark=/no/such/python"], "must be NAME=PYTHON"),
        (["--node-memory", "much"], "'much' is not a quantity"),
        (["--no-node", "--node-cpus", "2"], "--no-node leaves it out"),
    ],
)
def test_options_that_make_no_sense_are_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "sparkiot_operator", "dev", "--kubeconfig", str(tmp_path / "k"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
