"""An API server in one process, for trying, developing and testing where there is no Kubernetes.

It speaks enough of the Kubernetes API for kubectl, kopf and the usual clients: see `server.DevCluster`.
It binds to loopback only and enforces roles for service accounts only: never a production cluster.
"""

from sparkiot_sim.devcluster.errors import ClusterDataError, ClusterError, ClusterStartError
from sparkiot_sim.devcluster.server import DevCluster

__all__ = ["ClusterDataError", "ClusterError", "ClusterStartError", "DevCluster"]
