"""The Kubernetes API's objects for tests of what does not touch any."""

from collections.abc import Mapping
from typing import Any


class NoObjects:
    """Refuses every call of ``ObjectsApi``: a simulated job has no objects."""

    async def list_pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        raise AssertionError(f"nobody should list pods of {namespace}")

    async def read(self, path: str) -> dict[str, Any]:
        raise AssertionError(f"nobody should read {path}")

    async def create(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        raise AssertionError(f"nobody should create {path}")

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None:
        raise AssertionError(f"nobody should apply {path}")

    async def delete(self, path: str, *, uid: str | None = None, grace_s: int | None = None) -> None:
        raise AssertionError(f"nobody should delete {path}")
