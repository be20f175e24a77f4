"""A namespace that a command makes for its jobs and takes away again, whatever happens to the command."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

from .errors import ApiConflictError, ApiError, ApiNotFoundError, OperatorError
from .kube import KubeApi
from .resource import API_VERSION, PLURAL

MANAGED_BY = "app.kubernetes.io/managed-by"
AT_ONCE = 16
"""Calls under way together: enough to fill an API server, few enough not to be throttled by it."""
LOOK_S = 0.5
DELETED_S = 60.0
"""Least time that an operator gets to release deleted jobs; a job more gets a tenth of a second more."""


class NamespaceInUseError(OperatorError):
    """The namespace exists already: the command takes away only what it made itself."""


@contextlib.asynccontextmanager
async def own_namespace(
    api: KubeApi, name: str, *, owner: str, say: Callable[[str], None]
) -> AsyncIterator[Callable[[dict[str, Any]], str]]:
    """A new namespace, labelled as managed by ``owner``, while the block runs; its jobs and itself go with the block.

    Yields what labels a manifest as the owner's and gives the path of its collection. say: is told what is deleted, and
    what could not be. Raises NamespaceInUseError, or ApiError when it cannot be made.
    """
    labels = {MANAGED_BY: owner}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    try:
        await api.create("/api/v1/namespaces", manifest)
    except ApiConflictError as error:
        raise NamespaceInUseError(
            f"namespace {name} exists: choose another with --namespace, or, where an earlier run was killed, delete its"
            " jobs and the namespace"
        ) from error

    def labelled(wanted: dict[str, Any]) -> str:
        metadata = wanted["metadata"]
        metadata["namespace"] = name
        metadata["labels"] = {**metadata.get("labels", {}), **labels}
        version = wanted["apiVersion"]
        plural = PLURAL if version == API_VERSION else f"{wanted['kind'].lower()}s"
        return f"/{'api' if version == 'v1' else 'apis'}/{version}/namespaces/{name}/{plural}"

    try:
        yield labelled
    finally:
        await _remove(api, name, say)


async def create_all(
    api: KubeApi,
    manifests: Sequence[dict[str, Any]],
    place: Callable[[dict[str, Any]], str],
    *,
    done: Callable[[int], None],
) -> None:
    """Create objects, some at once. place: of ``own_namespace``. done: told how many there are. Raises ApiError."""
    created = 0

    async def create(manifest: dict[str, Any]) -> None:
        nonlocal created
        await api.create(place(manifest), manifest)
        created += 1
        done(created)

    await _for_each(manifests, create)


async def _for_each(objects: Sequence[dict[str, Any]], call: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """One call an object, some at once. Raises the first ApiError, after which no further call begins."""
    room = asyncio.Semaphore(AT_ONCE)

    async def in_turn(one: dict[str, Any]) -> None:
        async with room:
            await call(one)

    try:
        async with asyncio.TaskGroup() as group:
            for one in objects:
                group.create_task(in_turn(one))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


async def _remove(api: KubeApi, name: str, say: Callable[[str], None]) -> None:
    """Delete the jobs, and the namespace when they are gone. The finalizer of a job that no operator releases goes."""
    jobs = f"/apis/{API_VERSION}/namespaces/{name}/{PLURAL}"

    async def delete(job: dict[str, Any]) -> None:
        await api.delete(f"{jobs}/{job['metadata']['name']}")

    try:
        left = await api.list_jobs(name)
        say(f"deleting {len(left)} jobs and namespace {name} …")
        # Not as a collection: an API server takes longer for a thousand than a client waits, and then stops half-way.
        await _for_each(left, delete)
        if not await _gone(api, name, within_s=DELETED_S + len(left) / 10):
            for job in await api.list_jobs(name):
                await _release(api, jobs, job)
            say(f"no operator released the jobs of {name} in time: their finalizers were removed")
        await api.delete(f"/api/v1/namespaces/{name}")
        await _emptied(api, name)
    except ApiError as error:
        say(f"namespace {name} and its jobs may be left: {error}")


async def _gone(api: KubeApi, name: str, *, within_s: float) -> bool:
    until = asyncio.get_running_loop().time() + within_s
    while await api.list_jobs(name):
        if asyncio.get_running_loop().time() > until:
            return False
        await asyncio.sleep(LOOK_S)
    return True


async def _emptied(api: KubeApi, name: str) -> None:
    """A namespace ends when Kubernetes has deleted what is in it, and until then nobody can make it again."""
    until = asyncio.get_running_loop().time() + DELETED_S
    with contextlib.suppress(ApiNotFoundError):
        while asyncio.get_running_loop().time() < until:
            await api.read(f"/api/v1/namespaces/{name}")
            await asyncio.sleep(LOOK_S)


async def _release(api: KubeApi, jobs: str, job: dict[str, Any]) -> None:
    """Gone meanwhile is as good; a job that its operator has just changed is read once more."""
    path = f"{jobs}/{job['metadata']['name']}"
    for _ in range(2):
        with contextlib.suppress(ApiNotFoundError):
            try:
                job["metadata"]["finalizers"] = []
                await api.replace(path, job)
            except ApiConflictError:
                job = await api.read(path)
                continue
        return


@contextlib.contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM cancels what asyncio runs, as Ctrl-C does, so that a command can take away what it made."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
