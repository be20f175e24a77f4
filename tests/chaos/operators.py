"""Two operators that compete for one lease, and what starts them again when they end, as a kubelet does."""

import contextlib
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
from support_operator import Process

from chaos import clocked

LEASE_NAME = "sparkiot"
LEASE_S, DEADLINE_S, RETRY_S = 12, 9, 2
"""A lease outlives the pauses of a busy machine, and still changes hands while a test waits."""
RESTART_S = 0.5
TIMING = (
    *("--leader-elect", "--leader-lease-name", LEASE_NAME),
    *("--leader-lease-seconds", str(LEASE_S), "--leader-deadline-seconds", str(DEADLINE_S)),
    *("--leader-retry-seconds", str(RETRY_S)),
    *("--error-backoff-seconds", "0.5", "--error-backoff-max-seconds", "4"),
    *("--api-timeout-seconds", "4", "--watch-timeout-seconds", "10"),
)
"""Settings that recovery times follow from; defaults are for a cluster, where nobody waits for them."""


class Replica:
    """One operator, whichever process it is at the moment. offset: the file that its clock is off by."""

    def __init__(self, name: str, folder: Path, kubeconfig: Path, flags: Sequence[str], prefix: Sequence[str]) -> None:
        self.name, self.audit, self.offset = name, folder / f"audit-{name}", folder / f"clock-{name}"
        self._log = folder / f"operator-{name}.log"
        self._arguments = (
            *("operator", "--kubeconfig", str(kubeconfig), "--health-port", "0"),
            *("--audit-dir", str(self.audit), "--audit-max-mebibytes", "1", "--audit-files", "1000"),
            *TIMING,
            *flags,
        )
        self._prefix = prefix
        self.process = self._start()

    def _start(self) -> Process:
        prefix = (*self._prefix, sys.executable, clocked.__file__, str(self.offset))
        return Process(*self._arguments, log=self._log, prefix=prefix, env={"HOSTNAME": self.name})

    def start(self) -> None:
        self.process = self._start()

    def set_clock(self, offset_s: float) -> None:
        fresh = self.offset.with_suffix(".new")
        fresh.write_text(f"{offset_s:g}")
        fresh.rename(self.offset)

    def limit_files(self, size: int | None) -> None:
        """No file may grow beyond so many bytes; None takes the limit away. One that is gone has none."""
        with contextlib.suppress(psutil.Error):
            most = psutil.RLIM_INFINITY if size is None else size
            psutil.Process(self.process.pid).rlimit(psutil.RLIMIT_FSIZE, (most, psutil.RLIM_INFINITY))


class Operators:
    """ended: how often a replica ended by itself, by exit code."""

    def __init__(
        self, folder: Path, kubeconfig: Path, *, namespace: str, flags: Sequence[str], prefix: Sequence[str] = ()
    ) -> None:
        flags = (*flags, "--leader-lease-namespace", namespace)
        self.replicas = [Replica(name, folder, kubeconfig, flags, prefix) for name in ("a", "b")]
        self.ended: Counter[int] = Counter()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._keeper.start()

    def named(self, identity: str) -> Replica | None:
        """The one that a lease names as its holder; None for one that nobody holds."""
        return next((r for r in self.replicas if r.name == identity.partition("_")[0]), None)

    def _keep(self) -> None:
        while not self._stopping.wait(RESTART_S):
            for replica in self.replicas:
                if not replica.process.alive:
                    self.ended[replica.process.end()] += 1
                    replica.start()

    def stop(self) -> list[int]:
        """End them in order; their exit codes."""
        self._stopping.set()
        self._keeper.join()
        for replica in self.replicas:
            with contextlib.suppress(ProcessLookupError):
                os.kill(replica.process.pid, signal.SIGCONT)
        return [replica.process.end() for replica in self.replicas]
