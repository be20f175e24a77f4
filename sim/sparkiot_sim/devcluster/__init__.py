"""An API server in one process, for trying, developing and testing where there is no Kubernetes.

It speaks enough of the Kubernetes API for kubectl, kopf and the usual clients: see `server.DevCluster`.
It binds to loopback only and enforces roles for service accounts only: never a production cluster.

The names below are imported when they are asked for (PEP 562): the operator needs `schema` alone, and shall not hold a
server in memory for that.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparkiot_sim.devcluster.errors import ClusterDataError, ClusterError, ClusterStartError
    from sparkiot_sim.devcluster.server import DevCluster

__all__ = ["ClusterDataError", "ClusterError", "ClusterStartError", "DevCluster"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{'server' if name == 'DevCluster' else 'errors'}")
    return getattr(module, name)
