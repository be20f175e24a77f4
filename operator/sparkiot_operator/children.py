"""An embedded cluster, and an operator for any cluster, as children of a command that measures or compares them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .demo import answers, free_port
from .processes import Child

READY_S = 60.0
STOP_S = 30.0


@contextlib.contextmanager
def cluster_child(folder: Path, *, say: Callable[[str], None]) -> Iterator[Path]:
    """An embedded cluster without a node, in memory, while the block runs; its kubeconfig.

    folder: takes kubeconfig and log. say: is told what is being started. Raises ProcessFailedError.
    """
    kubeconfig = folder / "kubeconfig"
    kubeconfig.unlink(missing_ok=True)
    arguments = ["dev", "--no-node", "--port", "0", "--kubeconfig", str(kubeconfig)]
    with Child(arguments, log=folder / "cluster.log", stop_s=STOP_S) as cluster:
        say("starting the embedded cluster …")
        cluster.wait_until(kubeconfig.exists, timeout_s=READY_S)
        yield kubeconfig


@contextlib.contextmanager
def operator_child(
    namespace: str, flags: Sequence[str], *, kubeconfig: Path | None, folder: Path, say: Callable[[str], None]
) -> Iterator[str]:
    """An operator of one namespace while the block runs; the address of its health server.

    flags: further ones. kubeconfig: None for the usual one. folder: takes its log. Raises ProcessFailedError.
    """
    port = free_port()
    where = ("--kubeconfig", str(kubeconfig)) if kubeconfig else ()
    arguments = ["operator", "--namespace", namespace, "--health-port", str(port), *where, *flags]
    with Child(arguments, log=folder / "operator.log", stop_s=STOP_S) as operator:
        say("starting the operator …")
        url = f"http://127.0.0.1:{port}"
        operator.wait_until(lambda: answers(f"{url}/readyz"), timeout_s=READY_S)
        yield url
