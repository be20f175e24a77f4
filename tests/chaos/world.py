"""The parts of a run, all of them real: a cluster, two operators behind bad weather, jobs, servers, and who watches."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from support_live import Embedded, Given, LiveCluster, LiveJob
from support_operator import free_port

from chaos import jobs
from chaos.client import Client, RefusedError, UnreachableError, View
from chaos.ledger import Ledger
from chaos.load import Load
from chaos.operators import LEASE_NAME, Operators, Replica
from chaos.proxy import ApiProxy
from chaos.sampler import Sampler
from chaos.servers import Announcer, Servers

START_S = 600.0
GLANCE_S, PATIENCE_S = 5.0, 60.0
"""Of one call, and of all attempts at one that must succeed."""
GIVEN = os.environ.get("SPARKIOT_LIVE") == "given"
PREFIX = os.environ.get("SPARKIOT_OPERATOR_PREFIX", "") if GIVEN else ""
SERVERS = not GIVEN or "SPARKIOT_SERVERS_HOST" in os.environ
"""Whether pods reach servers of this machine."""
PROXIED = SERVERS or not PREFIX
"""Whether operators reach its proxy."""


class World:
    """Everything that a fault may break and an invariant may ask.

    stack: takes what must be stopped at the end. servers, announcer: None where pods cannot reach this machine. client:
    for calls that must succeed. eyes: for looks of which there will be another.
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack, *, seed: int) -> None:
        self.folder, self._stack = folder, stack
        self.cluster: LiveCluster = Given(folder) if GIVEN else Embedded(folder, port=free_port())
        self._stack.callback(self.cluster.close)
        self.namespace = self.cluster.namespace
        self.client = Client(self.cluster.kubeconfig, self.namespace, timeout_s=GLANCE_S, patience_s=PATIENCE_S)
        self.eyes = Client(self.cluster.kubeconfig, self.namespace, timeout_s=GLANCE_S, patience_s=0.0)
        self.proxy = ApiProxy(self.cluster.kubeconfig, seed=seed)
        self.proxy.start()
        self._stack.callback(self.proxy.close)
        self.servers = Servers(folder) if SERVERS else None
        self.announcer: Announcer | None = None
        if self.servers is not None:
            self._start_servers(self.servers)
        self.policies = folder / "policies"
        self.policies.mkdir()
        self.policy = self.policies / f"{jobs.POLICY}.zip"
        self.operators = self._start_operators(jobs.write_policy(self.policy))
        self._stack.callback(self.operators.stop)
        self.sampler = Sampler(self)
        self._stack.callback(self.sampler.close)
        self.live = LiveJob(self.cluster, jobs.LIVE)
        self.warm = self.cluster.shared / "blocks"
        self.ledger = Ledger(self.live.folder / "sink" / "rows")
        self.load = Load(self.live.folder / "landing", rate=jobs.ROWS_PER_S)
        self._stack.callback(self.load.close)
        self._last: View | None = None

    def _start_servers(self, servers: Servers) -> None:
        self._stack.callback(servers.close)
        for name in ("redis", "s3", "mqtt"):
            servers.start(name)
        self.announcer = Announcer(servers.broker)
        self.announcer.start()
        self._stack.callback(self.announcer.close)

    def _start_operators(self, digest: str) -> Operators:
        own = self.cluster.operator_kubeconfig
        return Operators(
            self.folder,
            self.proxy.kubeconfig(own, self.folder / "through-weather") if PROXIED else own,
            namespace=self.namespace,
            flags=(
                *self.cluster.operator_flags,
                *("--policies-dir", str(self.policies), "--policy-digest", f"{jobs.POLICY}={digest}"),
                *("--policy-reload-seconds", "1"),
            ),
            prefix=self.cluster.operator_prefix,
        )

    @property
    def pods_are_processes(self) -> bool:
        """Of this machine, as the embedded cluster's are."""
        return isinstance(self.cluster, Embedded)

    @property
    def job_names(self) -> tuple[str, ...]:
        return (*jobs.SIMULATED, jobs.LIVE)

    def begin(self) -> None:
        """Start the jobs and their load, and wait until all of it runs."""
        self.live.prepare()
        self.warm.mkdir()
        self.warm.chmod(0o777)
        self.load.start()
        first = jobs.secrets(self.servers) if self.servers else ()
        manifests = (*map(jobs.simulated, jobs.SIMULATED), jobs.live(self.live, self.servers, self.warm))
        self.cluster("apply", "-f", "-", stdin=(*first, *manifests))

    def leader(self) -> Replica | None:
        """The operator that holds the lease, or did when the API server last answered; None where nobody does."""
        view = self.look() or self._last
        return self.operators.named((view.lease.get("spec") or {}).get("holderIdentity") or "") if view else None

    def look(self) -> View | None:
        """None while the API server does not answer."""
        client = self.eyes
        try:
            found = client.items(client.jobs_path())
            pods = client.items(client.core_path("pods"))
            lease = client.get(client.path("coordination.k8s.io/v1", f"leases/{LEASE_NAME}"))
        except (UnreachableError, RefusedError):
            return None
        self._last = View({job["metadata"]["name"]: job for job in found}, tuple(pods), lease)
        return self._last


@contextlib.contextmanager
def running_world(folder: Path, *, seed: int) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        yield World(folder, stack, seed=seed)
