"""The embedded cluster together with its node, for the command line and for tests."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from sparkiot_sim.devcluster import DevCluster
from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.devcluster.expiry import EVENT_TTL_S
from sparkiot_sim.devcluster.server import in_thread
from sparkiot_sim.nodeagent.agent import NodeAgent
from sparkiot_sim.nodeagent.images import LocalImage
from sparkiot_sim.nodeagent.scheduling import NodeSize


@contextlib.asynccontextmanager
async def cluster_with_node(
    *,
    images: Iterable[LocalImage] = (),
    size: NodeSize | None = None,
    port: int = 0,
    data: Path | None = None,
    kubeconfig: Path | None = None,
    crds: Iterable[Obj] = (),
    audit_log: Path | None = None,
    event_ttl_s: float = EVENT_TTL_S,
) -> AsyncIterator[DevCluster]:
    """`DevCluster.start` and `NodeAgent.start` in one; with `data`, the node's files lie in its folder `node`."""
    folder = data / "node" if data else None
    starting = DevCluster.start(
        port=port, data=data, kubeconfig=kubeconfig, crds=crds, audit_log=audit_log, event_ttl_s=event_ttl_s
    )
    async with (
        starting as cluster,
        NodeAgent.start(cluster, images=images, data=folder, size=size),
    ):
        yield cluster


def cluster_with_node_in_thread(
    *,
    images: Iterable[LocalImage] = (),
    size: NodeSize | None = None,
    port: int = 0,
    data: Path | None = None,
    kubeconfig: Path | None = None,
    crds: Iterable[Obj] = (),
) -> contextlib.AbstractContextManager[DevCluster]:
    """The same from synchronous code."""
    return in_thread(
        cluster_with_node(images=images, size=size, port=port, data=data, kubeconfig=kubeconfig, crds=crds)
    )
