"""Patches of a job's status, each upon the very object that this operator knows.

The fence (see ``fence``) leaves one gap: a process may be stopped between its last check and the bytes that leave it.
Only the API server can close that one: it refuses a patch that names a version which another operator has written over.
"""

from collections.abc import Mapping
from typing import Any

from .errors import ApiConflictError
from .events import JobRef
from .services import JobApi

LOOKS = 2
"""At the version, for one patch: at a job's start kopf may write twice."""


class StatusPatch:
    """Sends merge patches of one job's status. version: the object's resource version, as it was last seen."""

    def __init__(self, ref: JobRef, *, api: JobApi, version: str) -> None:
        self._ref = ref
        self._api = api
        self._version = version

    async def send(self, changes: Mapping[str, Any]) -> None:
        """Raises ApiError; ApiConflictError where others keep writing.

        A conflict is mostly a spec edit, or kopf's finalizer: a look tells the version that holds now. An operator that
        does not lead any more is stopped by the fence on its way to another patch, or by another conflict.
        """
        for _ in range(LOOKS):
            try:
                return await self._patch(changes)
            except ApiConflictError:
                found = await self._api.read_job(self._ref.namespace, self._ref.name)
                self._version = str(found["metadata"]["resourceVersion"])
        return await self._patch(changes)

    async def _patch(self, changes: Mapping[str, Any]) -> None:
        ref = self._ref
        self._version = await self._api.patch_status(ref.namespace, ref.name, changes, version=self._version)
