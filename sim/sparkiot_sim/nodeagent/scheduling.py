"""Whether a pod fits on the node: pure functions."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from sparkiot_sim.devcluster.celfunctions import parse_quantity
from sparkiot_sim.devcluster.errors import Obj


@dataclass(frozen=True, kw_only=True)
class NodeSize:
    """What the node offers. `cpus` None: as many as asked for, since processes may share cores; memory in bytes."""

    cpus: float | None = None
    memory: int | None = None

    @property
    def memory_bytes(self) -> int:
        return self.memory if self.memory is not None else int(psutil.virtual_memory().total)

    @property
    def allocatable(self) -> Obj:
        """As the Node object shows it."""
        cpus = self.cpus if self.cpus is not None else os.cpu_count() or 1
        return {"cpu": f"{cpus * 1000:.0f}m", "memory": f"{self.memory_bytes // 1024}Ki", "pods": "110"}


def requested(pod: Obj, resource: str) -> float:
    """What the pod asks for of `cpu` (cores) or `memory` (bytes): the sum of its containers, or its largest init."""
    spec = pod["spec"]
    return max(
        sum(_request(item, resource) for item in spec["containers"]),
        max((_request(item, resource) for item in spec.get("initContainers") or ()), default=0.0),
    )


def _request(container: Obj, resource: str) -> float:
    resources = container.get("resources") or {}
    for kind in ("requests", "limits"):  # a limit without a request is the request
        if (quantity := (resources.get(kind) or {}).get(resource)) is not None:
            return float(parse_quantity(str(quantity)))
    return 0.0


def obstacle(pod: Obj, placed: Iterable[Obj], size: NodeSize, labels: Mapping[str, str]) -> str:
    """Why the pod cannot run here beside those already placed, in the scheduler's words; empty when it can."""
    reasons = []
    for key, value in (pod["spec"].get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            reasons.append("1 node(s) didn't match Pod's node affinity/selector")
            break
    others = list(placed)
    for resource, limit in (("cpu", size.cpus), ("memory", size.memory_bytes)):
        if limit is not None and requested(pod, resource) + sum(requested(p, resource) for p in others) > limit:
            reasons.append(f"1 Insufficient {resource}")
    if not reasons:
        return ""
    return (
        f"0/1 nodes are available: {', '.join(reasons)}. "
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )
