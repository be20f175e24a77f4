"""Clusters for tests of live jobs: the embedded one with its node agent, or any that is given.

A given cluster is described by environment variables, which `make test-cluster` documents:

    KUBECONFIG                    the cluster
    SPARKIOT_SPARK_IMAGE          an image with Java, Python and pyspark, and nothing of ours
    SPARKIOT_OPERATOR_IMAGE       the operator's image, which brings the driver's runtime
    SPARKIOT_SPARK_VERSION        the Spark release in the former (3.5.9)
    SPARKIOT_SHARED_DIR           a folder that this machine and every node see at one path (/var/tmp/sparkiot-live)
    SPARKIOT_OPERATOR_PREFIX      a command in front of the operator's, to reach pods, such as `ip netns exec NAME`
    SPARKIOT_OPERATOR_KUBECONFIG  the kubeconfig that it uses there
    SPARKIOT_APISERVER_PID        process id of the API server, to stop it for a minute; without, that test is left out
    SPARKIOT_SERVERS_HOST         an address of this machine that pods reach, for the servers of the shuffle tiers;
                                  without it, their test is left out
    SPARKIOT_API_AUDIT_LOG        audit log of the API server, to tell how soon executors are asked for (not told)
"""

import contextlib
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from support_access import ACCOUNT, account_kubeconfig, chart_objects
from support_operator import Kubectl, Process, free_port

from sparkiot_operator.crd import build_crd
from sparkiot_operator.landing import Rate, SinkCheck, check_sink, write_landing
from sparkiot_operator.live_demo import shared_folder
from sparkiot_sim.devcluster.identity import ServiceAccount

Json = dict[str, Any]
T = TypeVar("T")
PATIENCE_S = 300.0
"""How long anything may take before a test fails: two busy cores start Spark in half a minute, others take longer."""
EVERYBODY = json.dumps({"ipBlock": {"cidr": "0.0.0.0/0"}})
"""Where the operator's own address is not known, its jobs' endpoints stay open to all."""
CRD: str = build_crd()["metadata"]["name"]
EXAMPLES = "local:///opt/sparkiot/sparkiot_driver/examples"
SPARK_PYTHON = os.environ.get("SPARKIOT_TEST_PYSPARK_PYTHON", sys.executable)


class LiveCluster:
    """What a test of live jobs does to a cluster. Subclasses know how to reach processes in pods."""

    spark_image: str
    runtime_image: str
    spark_version: str
    pull_policy: str | None = None
    extra_flags: tuple[str, ...] = ()
    """Beside those that every test of live jobs gives it."""
    api_log: Path | None = None
    """The API server's audit log, where it can be read."""

    def __init__(self, folder: Path, shared: Path, kubeconfig: Path, namespace: str) -> None:
        self.folder, self.shared, self.kubeconfig, self.namespace = folder, shared, kubeconfig, namespace
        self.kubectl = Kubectl(kubeconfig)
        self.audit = folder / "audit"
        self.operator: Process | None = None

    def start_operator(self) -> Process:
        self.operator = Process(
            "operator",
            *("--kubeconfig", str(self.operator_kubeconfig)),
            *("--health-port", str(free_port())),
            *self.operator_flags,
            *("--audit-dir", str(self.audit)),
            log=self.folder / "operator.log",
            prefix=self.operator_prefix,
        )
        return self.operator

    @property
    def operator_flags(self) -> tuple[str, ...]:
        """What every operator of this cluster is told."""
        pull = ("--runtime-image-pull-policy", self.pull_policy) if self.pull_policy else ()
        return (
            *("--namespace", self.namespace),
            *("--runtime-image", self.runtime_image),
            *pull,
            *("--status-interval-seconds", "0.5"),
            *("--endpoint-peer", EVERYBODY),
            *("--host-path", f"{self.shared}/"),
            *("--job-service-account", f"{self.namespace}/nobody"),
            *self.extra_flags,
        )

    @property
    def operator_kubeconfig(self) -> Path:
        return self.kubeconfig

    @property
    def operator_prefix(self) -> tuple[str, ...]:
        return ()

    @property
    def driver_memory(self) -> str:
        """Of a job's driver: that of Spark 4 takes more beside its heap."""
        return "1Gi" if self.spark_version.startswith("3.") else "1536Mi"

    @property
    def driver_conf(self) -> dict[str, str]:
        return {} if self.spark_version.startswith("3.") else {"spark.driver.memoryOverhead": "768m"}

    def announce_end(self, pod: str) -> None:
        """Mark a pod as the API server does when it evicts one, and leave it its time."""
        why = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "a drain"}
        patch = [{"op": "add", "path": "/status/conditions/-", "value": why}]
        self("patch", "pod", pod, "--subresource=status", "--type=json", "-p", json.dumps(patch))

    def kill_executor(self, pod: str) -> None:
        raise NotImplementedError

    def kill_driver(self, pod: str) -> None:
        raise NotImplementedError

    def api_stopped(self) -> contextlib.AbstractContextManager[None]:
        """The API server hangs while the block runs."""
        raise NotImplementedError

    def __call__(self, *arguments: str, stdin: tuple[Json, ...] = ()) -> str:
        return self.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def job(self, name: str) -> Json:
        return dict(json.loads(self("get", "sij", name, "-o", "json")))

    def status(self, name: str) -> Json:
        return dict(self.job(name).get("status", {}))

    def condition(self, name: str, kind: str = "Ready") -> Json:
        found = [c for c in self.status(name).get("conditions", []) if c["type"] == kind]
        return dict(found[0]) if found else {}

    def pods(self, name: str, component: str | None = None) -> list[Json]:
        selector = f"sparkiot.dev/job={name}" + (f",app.kubernetes.io/component={component}" if component else "")
        return list(json.loads(self("get", "pods", "-l", selector, "-o", "json"))["items"])

    def running_executors(self, name: str) -> list[Json]:
        found = self.pods(name, "executor")
        return [p for p in found if p["status"].get("phase") == "Running" and "deletionTimestamp" not in p["metadata"]]

    def events(self, name: str) -> list[Json]:
        found = json.loads(self("get", "events", "-o", "json"))["items"]
        return [e for e in found if e["involvedObject"]["name"] == name]

    def reasons(self, name: str) -> list[str]:
        return [e["reason"] for e in self.events(name)]

    def patch(self, name: str, spec: Json) -> None:
        self("patch", "sij", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def wait(self, check: Callable[[], T], *, what: str, patience_s: float = PATIENCE_S) -> T:
        """The first true value of ``check``. Fails with what the operator and the driver said last."""
        until = time.monotonic() + patience_s
        while True:
            value = check()
            if value:
                return value
            if time.monotonic() > until:
                raise AssertionError(f"not within {patience_s:g} s: {what}; last value {value!r}\n{self.words()}")
            time.sleep(0.3)

    def words(self) -> str:
        """What a person would look at first."""
        log = self.folder / "operator.log"
        lines = log.read_text(errors="replace").splitlines()[-25:] if log.exists() else []
        for arguments in (("get", "sij,pods", "-o", "wide"), ("get", "sij", "-o", "jsonpath={.items[*].status}")):
            lines.append(self.kubectl.run("-n", self.namespace, *arguments).stdout)
        drivers = self.kubectl.run(
            "-n", self.namespace, "get", "pods", "-l", "app.kubernetes.io/component=driver", "-o", "name"
        )
        for pod in drivers.stdout.split():
            lines.append(self.kubectl.run("-n", self.namespace, "logs", "--tail=40", pod).stdout)
        return "\n".join(lines)

    def close(self) -> None:
        if self.operator is not None and self.operator.alive:
            self.operator.end()


class Embedded(LiveCluster):
    """The embedded cluster in a process of its own; pods are processes of this machine.

    port: a fixed one, for a cluster that shall be started again.
    """

    spark_image = "spark:test"
    runtime_image = "sparkiot:dev"

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        super().__init__(folder, folder / "shared", folder / "kubeconfig", "live")
        self._port = port
        self.shared.mkdir()
        self.spark_version = subprocess.run(
            [SPARK_PYTHON, "-c", "import pyspark; print(pyspark.__version__)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        self.api_log = folder / "requests.jsonl"
        self.start_cluster()
        self.wait(self.kubeconfig.exists, what="the embedded cluster starts")
        self.kubectl("apply", "-f", "-", stdin=(namespace(self.namespace), *chart_objects(self.namespace)))
        uid = json.loads(self("get", "serviceaccount", ACCOUNT, "-o", "json"))["metadata"]["uid"]
        self._account = account_kubeconfig(
            self.kubeconfig, ServiceAccount(self.namespace, ACCOUNT, uid), folder / "account"
        )

    def start_cluster(self) -> None:
        """Also again, where it was killed: it goes on with what it had kept."""
        self.cluster = Process(
            "dev",
            *("--port", str(self._port)),
            *("--audit-log", str(self.api_log)),
            *("--kubeconfig", str(self.kubeconfig)),
            *("--data", str(self.folder / "cluster")),
            *("--image", f"{self.spark_image}={SPARK_PYTHON}"),
            log=self.folder / "cluster.log",
        )

    @property
    def credentials(self) -> tuple[Path, ...]:
        """The files that hold the tokens of users and service accounts."""
        return (self.kubeconfig, self._account)

    @property
    def operator_kubeconfig(self) -> Path:
        """The operator has the rights that the chart gives it, and no others."""
        return self._account

    def kill_executor(self, pod: str) -> None:
        self._kill(lambda words: pod in words and any("KubernetesExecutorBackend" in w for w in words))

    def kill_driver(self, pod: str) -> None:
        self._kill(lambda words: words[1:3] == ["-m", "sparkiot_driver"])

    def _kill(self, matches: Callable[[list[str]], bool]) -> None:
        """kill -9, of one process that this cluster started."""
        children = psutil.Process(self.cluster.pid).children(recursive=True)
        for process in children:
            with contextlib.suppress(psutil.Error):
                if matches(process.cmdline()):
                    process.kill()
                    return
        raise AssertionError(f"no such process among {[p.pid for p in children]}")

    @contextlib.contextmanager
    def api_stopped(self) -> Iterator[None]:
        os.kill(self.cluster.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.cluster.pid, signal.SIGCONT)

    def close(self) -> None:
        super().close()
        self.cluster.end()


class Given(LiveCluster):
    """A cluster that somebody else runs, with images that were loaded into it."""

    pull_policy = "Never"

    def __init__(self, folder: Path) -> None:
        shared = Path(os.environ.get("SPARKIOT_SHARED_DIR", "/var/tmp/sparkiot-live"))
        super().__init__(folder, shared, Path(os.environ["KUBECONFIG"]), f"sparkiot-live-{secrets.token_hex(3)}")
        self.spark_image = os.environ["SPARKIOT_SPARK_IMAGE"]
        self.runtime_image = os.environ["SPARKIOT_OPERATOR_IMAGE"]
        self.spark_version = os.environ.get("SPARKIOT_SPARK_VERSION", "3.5.9")
        log = os.environ.get("SPARKIOT_API_AUDIT_LOG")
        self.api_log = Path(log) if log else None
        shutil.rmtree(shared, ignore_errors=True)
        shared.mkdir(parents=True)
        shared.chmod(0o777)
        self._brought_crd = self.kubectl.run("get", "crd", CRD).returncode != 0
        crd = Path(__file__).parent.parent / "crds"
        self.kubectl("apply", "--validate=false", "-f", str(crd))
        explained = ("explain", "sij.spec.application.imagePullPolicy")
        self.wait(lambda: self.kubectl.run(*explained).returncode == 0, what="the CRD's schema is served")
        self.kubectl("create", "namespace", self.namespace)

    @property
    def operator_kubeconfig(self) -> Path:
        return Path(os.environ.get("SPARKIOT_OPERATOR_KUBECONFIG", self.kubeconfig))

    @property
    def operator_prefix(self) -> tuple[str, ...]:
        return tuple(shlex.split(os.environ.get("SPARKIOT_OPERATOR_PREFIX", "")))

    def kill_executor(self, pod: str) -> None:
        self("exec", pod, "--", "sh", "-c", "kill -9 $(pgrep -o java)")

    def kill_driver(self, pod: str) -> None:
        # PID 1 cannot be killed from inside: force the pod away, as a lost node does.
        self("delete", "pod", pod, "--grace-period=0", "--force")

    @contextlib.contextmanager
    def api_stopped(self) -> Iterator[None]:
        if not os.environ.get("SPARKIOT_APISERVER_PID"):
            pytest.skip("SPARKIOT_APISERVER_PID does not name the API server's process")
        pid = int(os.environ["SPARKIOT_APISERVER_PID"])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Leave the cluster as it was found."""
        # While the operator lives, who alone takes the finalizers off.
        if self.operator is None or not self.operator.alive:
            self.start_operator()
        self.kubectl.run("-n", self.namespace, "delete", "sij", "--all", "--timeout=240s")
        super().close()
        self.kubectl("delete", "namespace", self.namespace, "--timeout=240s")
        if self._brought_crd:
            self.kubectl("delete", "crd", CRD, "--timeout=240s")
        shutil.rmtree(self.shared, ignore_errors=True)


@dataclass
class LiveJob:
    """One job of the windowed aggregation with a landing folder and a sink, and the thread that writes its load."""

    cluster: LiveCluster
    name: str
    written: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def folder(self) -> Path:
        return self.cluster.shared / self.name

    def prepare(self) -> None:
        for folder in (self.folder, *(self.folder / name for name in ("landing", "sink", "checkpoint"))):
            folder.mkdir()
            folder.chmod(0o777)

    def manifest(self, *, lookup_ms: float = 40.0, application: Json | None = None, **spec: Any) -> Json:
        """The job; ``application`` replaces fields of the application, keywords those of the spec."""
        from sparkiot_operator.spark.naming import CONTAINER, EXECUTOR_CONTAINER

        return {
            "apiVersion": "sparkiot.dev/v1alpha1",
            "kind": "SparkIoTJob",
            "metadata": {"name": self.name, "namespace": self.cluster.namespace},
            "spec": {
                "backend": "Spark",
                "application": {
                    "image": self.cluster.spark_image,
                    **({"imagePullPolicy": self.cluster.pull_policy} if self.cluster.pull_policy else {}),
                    "sparkVersion": self.cluster.spark_version,
                    "mainApplicationFile": f"{EXAMPLES}/traffic_windows.py",
                    "arguments": [
                        *("--landing", str(self.folder / "landing")),
                        *("--sink", str(self.folder / "sink")),
                        *("--checkpoint", str(self.folder / "checkpoint")),
                        *("--trigger", "4 seconds"),
                        *("--partitions", "4"),
                        *("--lookup-ms", f"{lookup_ms:g}"),
                    ],
                    "checkpointLocation": str(self.folder / "checkpoint"),
                    # A node of two cores has room for all of them.
                    "sparkConf": {"spark.kubernetes.executor.request.cores": "200m", **self.cluster.driver_conf},
                    "driver": {
                        "memory": self.cluster.driver_memory,
                        "template": small(shared_folder(self.folder, CONTAINER)),
                    },
                    "executor": {"template": shared_folder(self.folder, EXECUTOR_CONTAINER)},
                    **(application or {}),
                },
                "objectives": {"latency": {"target": "12s", "quantile": 0.9}},
                "scaling": {
                    "interval": "3s",
                    "metricsWindow": "16s",
                    "executors": {"min": 1, "max": 4},
                    "memory": {"min": "1Gi", "max": "1Gi"},
                    "scaleDown": {"stabilization": "12s", "cooldown": "3s"},
                },
                "restartPolicy": {"backoff": "1s"},
                "policy": {"name": "Rate"},
                **spec,
            },
        }

    def apply(self, **changes: Any) -> None:
        self.cluster("apply", "-f", "-", stdin=(self.manifest(**changes),))

    def batches(self) -> int:
        """How many micro-batches the sink has."""
        return len(list((self.folder / "sink" / "rows").glob("batch=*/_SUCCESS")))

    def ready(self) -> bool:
        return self.cluster.condition(self.name).get("status") == "True"

    def executors(self) -> int:
        return int(self.cluster.status(self.name).get("replicas") or 0)

    def load(self, rate: Rate, seconds: float) -> None:
        """Let rows arrive in the background; ``settle`` ends it."""
        self.end_load()
        self._stop.clear()
        first = self.written

        def write() -> None:
            self.written += write_landing(self.folder / "landing", rate, seconds, first_id=first, stop=self._stop)

        self._thread = threading.Thread(target=write, daemon=True)
        self._thread.start()

    @property
    def loading(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def end_load(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> SinkCheck:
        return check_sink(self.folder / "sink" / "rows", range(self.written))

    def settle(self) -> SinkCheck:
        """End the load and wait until the sink holds what was written; doubled rows do not go away by waiting."""
        self.end_load()
        self.cluster.wait(lambda: not self.check().missing, what=f"every row of {self.written} in the sink")
        return self.check()


def small(template: Json) -> Json:
    """The same pod template with a small request of CPU."""
    (container,) = template["spec"]["containers"]
    resources = {"requests": {"cpu": "200m"}}
    return {"spec": {**template["spec"], "containers": [{**container, "resources": resources}]}}


def namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
