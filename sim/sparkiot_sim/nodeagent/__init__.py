"""Runs the pods of the embedded cluster as local processes: no containers, no root, Linux only.

For trying and testing on one machine. It gives no isolation: pods run as the user who started it, see the same file
system and network, and are told apart by a loopback address, folders and processes of their own each.
"""

from sparkiot_sim.nodeagent.agent import NodeAgent
from sparkiot_sim.nodeagent.cluster import cluster_with_node, cluster_with_node_in_thread
from sparkiot_sim.nodeagent.images import OWN_IMAGE, ImageError, LocalImage
from sparkiot_sim.nodeagent.scheduling import NodeSize

__all__ = [
    "OWN_IMAGE",
    "ImageError",
    "LocalImage",
    "NodeAgent",
    "NodeSize",
    "cluster_with_node",
    "cluster_with_node_in_thread",
]
