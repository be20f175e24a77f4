"""The embedded cluster and the operator as children of a command that runs real jobs on this machine."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .demo import answers, free_port
from .processes import Child

IMAGE = "sparkiot:dev"
"""The interpreter that runs this command, as the embedded cluster calls it."""
READY_S = 60.0
STOP_S = 90.0


class Folder:
    """Where such a command keeps what the two write: objects and pods, decisions, the kubeconfig, and their logs.

    requests: those that the API server had, as Kubernetes' audit log has them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.cluster = self.path / "cluster"
        self.audit = self.path / "audit"
        self.kubeconfig = self.path / "kubeconfig"
        self.cluster_log = self.path / "dev.log"
        self.operator_log = self.path / "operator.log"
        self.requests = self.path / "requests.jsonl"

    def prepare(self) -> None:
        """Remove what an earlier run left, and make the folders."""
        for folder in (self.cluster, self.audit):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.kubeconfig, self.cluster_log, self.operator_log, self.requests):
            file.unlink(missing_ok=True)
        for folder in (self.cluster, self.audit):
            folder.mkdir(parents=True)


@contextlib.contextmanager
def embedded_operator(folder: Folder, *, say: Callable[[str], None]) -> Iterator[tuple[Child, Child]]:
    """Both run while the block does; ``folder.kubeconfig`` leads to them. say: is told what is being started.

    Raises ProcessFailedError when one of them is not ready in time.
    """
    port = free_port()
    with Child(_dev_arguments(folder), log=folder.cluster_log, stop_s=STOP_S) as cluster:
        say("starting the embedded cluster with its node …")
        cluster.wait_until(folder.kubeconfig.exists, timeout_s=READY_S)
        with Child(_operator_arguments(folder, port), log=folder.operator_log) as operator:
            say("starting the operator …")
            operator.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), timeout_s=READY_S)
            yield cluster, operator


def _dev_arguments(folder: Folder) -> list[str]:
    return [
        "dev",
        *("--port", "0"),
        *("--kubeconfig", str(folder.kubeconfig)),
        *("--data", str(folder.cluster)),
        *("--audit-log", str(folder.requests)),
    ]


def _operator_arguments(folder: Folder, port: int) -> list[str]:
    return [
        "operator",
        "--all-namespaces",
        *("--kubeconfig", str(folder.kubeconfig)),
        *("--health-port", str(port)),
        *("--runtime-image", IMAGE),
        *("--audit-dir", str(folder.audit)),
        *("--host-path", f"{folder.path}/"),
        *("--status-interval-seconds", "1"),
    ]
