"""The Lease (coordination.k8s.io/v1) that one of several operators holds: what is in it, and the calls on it.

kopf's peering is no Lease, and the `leaderelection` of the client library keeps its record in a ConfigMap and blocks a
thread; so this module and ``election`` follow client-go, in this process' own event loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from .times import precise_timestamp

GROUP_VERSION = "coordination.k8s.io/v1"
Json = dict[str, Any]


class LeaseApi(Protocol):
    """The calls on leases to the Kubernetes API; each raises ApiError. ``kube.KubeApi`` is the real one."""

    async def read(self, path: str) -> Json: ...

    async def create(self, path: str, manifest: Mapping[str, Any]) -> Json: ...

    async def replace(self, path: str, manifest: Mapping[str, Any]) -> Json: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """holder: empty when nobody holds it. duration_s: how long it holds without a renewal. transitions: of its holder.

    acquired, renewed: as the holder wrote them; clocks differ, so that nobody else compares them with their own time.
    manifest: the object that this was read from.
    """

    holder: str
    duration_s: float
    acquired: str
    renewed: str
    transitions: int
    manifest: Json = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, manifest: Json) -> Self:
        spec = manifest.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            duration_s=float(spec.get("leaseDurationSeconds") or 0),
            acquired=spec.get("acquireTime") or "",
            renewed=spec.get("renewTime") or "",
            transitions=int(spec.get("leaseTransitions") or 0),
            manifest=manifest,
        )

    @classmethod
    def first(cls, holder: str, *, duration_s: float, now: float) -> Self:
        """now: epoch seconds."""
        stamp = micro_time(now)
        return cls(holder=holder, duration_s=duration_s, acquired=stamp, renewed=stamp, transitions=0)

    def taken(self, holder: str, *, duration_s: float, now: float) -> Self:
        """By another holder."""
        stamp = micro_time(now)
        return replace(
            self,
            holder=holder,
            duration_s=duration_s,
            acquired=stamp,
            renewed=stamp,
            transitions=self.transitions + 1,
        )

    def renewal(self, *, now: float) -> Self:
        return replace(self, renewed=micro_time(now))

    def released(self, *, now: float) -> Self:
        """Held by nobody, and by the shortest duration: who waits need not wait for the rest of it."""
        return replace(self, holder="", duration_s=1, renewed=micro_time(now))

    def spec(self) -> Json:
        return {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": round(self.duration_s),
            "acquireTime": self.acquired,
            "renewTime": self.renewed,
            "leaseTransitions": self.transitions,
        }


class LeaseStore:
    """One Lease by name. A write fails with ApiConflictError when somebody else has written since it was read."""

    def __init__(self, api: LeaseApi, *, namespace: str, name: str) -> None:
        self._api = api
        self._collection = f"/apis/{GROUP_VERSION}/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{name}"
        self._metadata = {"namespace": namespace, "name": name}

    async def read(self) -> Lease:
        """Raises ApiNotFoundError while there is none."""
        return Lease.of(await self._api.read(self._path))

    async def create(self, lease: Lease) -> Lease:
        manifest = {"apiVersion": GROUP_VERSION, "kind": "Lease", "metadata": self._metadata, "spec": lease.spec()}
        return Lease.of(await self._api.create(self._collection, manifest))

    async def write(self, lease: Lease) -> Lease:
        """Replace what ``lease`` was read from; its resource version is the precondition."""
        return Lease.of(await self._api.replace(self._path, {**lease.manifest, "spec": lease.spec()}))


def micro_time(now: float) -> str:
    """Kubernetes' MicroTime: six decimals."""
    return precise_timestamp(now)[:-1] + "000Z"
