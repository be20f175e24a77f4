"""Whether an installed operator works: the API server knows its resource, and a job becomes ready.

A simulated job is the proof: it goes through the CRD's schema, the operator's rights, its lease and its loop, and needs
nothing else. It is gone afterwards, finalizer included, which only a working operator takes off.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from .errors import ApiConflictError, ApiNotFoundError, InstallationError
from .resource import API_VERSION, KIND, PLURAL

POLL_S = 0.5
Json = dict[str, Any]
Say = Callable[[str], None]


class JobsApi(Protocol):
    async def check(self) -> None: ...

    async def create(self, path: str, manifest: Mapping[str, Any]) -> Json: ...

    async def read_job(self, namespace: str, name: str) -> Json: ...

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None: ...


async def runs_a_job(api: JobsApi, namespace: str, name: str, *, patience_s: float, say: Say) -> None:
    """Create a simulated job, wait until the operator has made it ready, delete it, and wait until it has gone.

    One that an earlier check left is deleted first. say: gets a line a step. Raises InstallationError that says what
    the job said last, or an ApiError.
    """
    await api.check()
    say(f"the API server knows {PLURAL}")
    await _deleted(api, namespace, name, patience_s)
    with contextlib.suppress(ApiConflictError):  # left by a check that runs beside this one
        await api.create(f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}", _job(namespace, name))
    said = "no operator has looked at it: see that one watches its namespace"

    async def ready() -> bool:
        nonlocal said
        conditions = (await api.read_job(namespace, name)).get("status", {}).get("conditions", [])
        found = next((c for c in conditions if c["type"] == "Ready"), None)
        if found is not None:
            said = f"{found['reason']}: {found.get('message', '')}"
        return found is not None and found["status"] == "True"

    if not await _within(patience_s, ready):
        await _gone(api, namespace, name)
        raise InstallationError(f"job {namespace}/{name} is not ready after {patience_s:g} s: {said}")
    say(f"the operator runs a simulated job, {namespace}/{name}")
    await _deleted(api, namespace, name, patience_s)
    say("and has let it go")


async def _deleted(api: JobsApi, namespace: str, name: str, patience_s: float) -> None:
    if not await _within(patience_s, lambda: _gone(api, namespace, name)):
        raise InstallationError(
            f"job {namespace}/{name} is not gone after {patience_s:g} s: its finalizer waits for an operator that "
            "watches the namespace"
        )


async def _gone(api: JobsApi, namespace: str, name: str) -> bool:
    """Whether it is gone; one that is there and not being deleted is deleted."""
    try:
        job = await api.read_job(namespace, name)
    except ApiNotFoundError:
        return True
    if "deletionTimestamp" not in job["metadata"]:
        with contextlib.suppress(ApiNotFoundError):
            await api.delete_job(namespace, name, uid=job["metadata"]["uid"])
    return False


async def _within(patience_s: float, holds: Callable[[], Awaitable[bool]]) -> bool:
    until = asyncio.get_running_loop().time() + patience_s
    while not await holds():
        if asyncio.get_running_loop().time() > until:
            return False
        await asyncio.sleep(POLL_S)
    return True


def _job(namespace: str, name: str) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "backend": "Simulated",
            "policy": {"name": "Rate"},
            "simulation": {"acceleration": 60, "workload": {"generator": {"kind": "SmartCity", "meanRate": 100}}},
        },
    }
