"""The Spark backend: one driver pod a job, watched, restarted and spoken to."""

from collections.abc import Mapping
from typing import Any, Protocol


class ObjectsApi(Protocol):
    """The calls of the backend to the Kubernetes API; each raises ApiError. ``kube.KubeApi`` is the real one."""

    async def list_pods(self, namespace: str, selector: str) -> list[dict[str, Any]]: ...

    async def read(self, path: str) -> dict[str, Any]: ...

    async def create(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]: ...

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None: ...

    async def delete(self, path: str, *, uid: str | None = None, grace_s: int | None = None) -> None: ...


class SparkBackend:
    def __init__(self, *a: Any, **k: Any) -> None:
        raise NotImplementedError
