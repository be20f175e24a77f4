"""What every job's loop shares: made once at start, closed once at the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .audit import AuditLog
from .backends.spark import ObjectsApi
from .dashboard.samples import Timelines
from .driver_client import DriverClient
from .fence import Fence
from .metrics import Metrics
from .policies_store import PolicyStore
from .promotion.board import CanaryBoard
from .settings import Settings


class JobApi(ObjectsApi, Protocol):
    """The calls of a job's loop to the Kubernetes API; each raises ApiError. ``kube.KubeApi`` is the real one."""

    async def patch_status(self, namespace: str, name: str, patch: Mapping[str, Any], *, version: str) -> str: ...

    async def read_job(self, namespace: str, name: str) -> Mapping[str, Any]: ...

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None: ...

    async def read_config_map(self, namespace: str, name: str) -> Mapping[str, str]: ...

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """clock: the real time in epoch seconds. audit: None when no audit log is kept.

    running: seconds of a clock that never jumps, by which jobs notice that the other was set; None where it cannot be.
    pod_resize: whether the cluster resizes pods in place. fence: raises NotLeadingError where this process must not
    act; None for one that nobody else competes with.
    """

    settings: Settings
    api: JobApi
    policies: PolicyStore
    metrics: Metrics
    audit: AuditLog | None
    clock: Callable[[], float]
    drivers: DriverClient
    running: Callable[[], float] | None = None
    pod_resize: bool = False
    fence: Fence | None = None
    timelines: Timelines | None = None
    canaries: CanaryBoard = field(default_factory=CanaryBoard)
