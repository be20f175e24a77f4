"""kill -9 of the API server. The embedded one is its node too: every pod ends with it, as on a machine that reboots."""

import signal

from support_live import Embedded

from chaos.faults.base import LiveFault
from chaos.schedule import Kind


class ApiKilled(LiveFault):
    """It comes back with what it had kept."""

    kind = Kind("api-killed", frozenset({"pods", "api"}), 2.0, 6.0)
    about = "kill -9 of the API server and its node, with every pod"
    given = "the API server of a given cluster is not ours to kill"

    def inject(self) -> None:
        cluster = self.world.cluster
        assert isinstance(cluster, Embedded)
        cluster.cluster.end(signal.SIGKILL)

    def heal(self) -> None:
        cluster = self.world.cluster
        assert isinstance(cluster, Embedded)
        cluster.start_cluster()
