"""A command's own namespace goes with it, whatever happens in between."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from sparkiot_operator import own_namespace as module
from sparkiot_operator.errors import ApiConflictError, ApiNotFoundError, ApiUnreachableError
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.own_namespace import NamespaceInUseError, create_all, own_namespace

JOB = {"apiVersion": "sparkiot.dev/v1alpha1", "kind": "SparkIoTJob", "metadata": {"name": "one"}, "spec": {}}
JOBS = "/apis/sparkiot.dev/v1alpha1/namespaces/bench/sparkiotjobs"


class Server:
    """As much of an API server as this needs; ``operator``: whether somebody releases deleted jobs."""

    def __init__(self, *, operator: bool) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.operator = operator
        self.away = False

    async def create(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if self.away:
            raise ApiUnreachableError("POST: no answer")
        name = f"{path}/{manifest['metadata']['name']}"
        if name in self.objects:
            raise ApiConflictError(f"{name} exists")
        self.objects[name] = {**manifest}
        return self.objects[name]

    async def list_jobs(self, namespace: str) -> list[dict[str, Any]]:
        if self.away:
            raise ApiUnreachableError("GET: no answer")
        return [found for path, found in self.objects.items() if path.startswith(f"{JOBS}/")]

    async def delete(self, path: str) -> None:
        assert path != JOBS, "an API server does not delete a thousand jobs before a client gives up"
        if path.startswith(JOBS):
            if self.operator:
                del self.objects[path]
            return
        assert not await self.list_jobs("bench"), "a namespace whose jobs have finalizers stays for ever"
        for name in [name for name in self.objects if name.startswith(path)]:
            del self.objects[name]

    async def read(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            raise ApiNotFoundError(path)
        return self.objects[path]

    async def replace(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if path not in self.objects:
            raise ApiNotFoundError(path)
        assert manifest["metadata"]["finalizers"] == []
        return self.objects.pop(path)


def use(server: Server, *, fail: BaseException | None = None) -> list[str]:
    """Make two jobs in an own namespace and leave it, by an error where one is given; what was said."""
    said: list[str] = []

    async def run() -> None:
        api = cast("KubeApi", server)
        async with own_namespace(api, "bench", owner="tests", say=said.append) as place:
            jobs = [{**JOB, "metadata": {"name": name}} for name in ("one", "two")]
            counts: list[int] = []
            await create_all(api, jobs, place, done=counts.append)
            assert counts == [1, 2]
            for job in await server.list_jobs("bench"):
                assert job["metadata"]["namespace"] == "bench"
                assert job["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "tests"}
            if fail is not None:
                raise fail

    asyncio.run(run())
    return said


def test_jobs_and_namespace_go() -> None:
    server = Server(operator=True)
    assert use(server) == ["deleting 2 jobs and namespace bench …"]
    assert server.objects == {}


@pytest.mark.parametrize("error", [ValueError("a bug"), asyncio.CancelledError()])
def test_they_go_when_the_command_fails_or_is_stopped(error: BaseException) -> None:
    server = Server(operator=True)
    with pytest.raises(type(error)):
        use(server, fail=error)
    assert server.objects == {}


def test_jobs_that_no_operator_releases_are_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DELETED_S", 0.0)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    server = Server(operator=False)
    assert "their finalizers were removed" in use(server)[-1]
    assert server.objects == {}


def test_a_namespace_of_somebody_else_is_left_alone() -> None:
    server = Server(operator=True)
    server.objects["/api/v1/namespaces/bench"] = {"metadata": {"name": "bench"}}
    with pytest.raises(NamespaceInUseError, match="choose another with --namespace"):
        use(server)
    assert list(server.objects) == ["/api/v1/namespaces/bench"]


def test_what_cannot_be_deleted_is_said() -> None:
    server = Server(operator=True)

    async def run() -> list[str]:
        said: list[str] = []
        async with own_namespace(cast("KubeApi", server), "bench", owner="tests", say=said.append):
            server.away = True
        return said

    assert asyncio.run(run()) == ["namespace bench and its jobs may be left: GET: no answer"]


def test_an_object_that_cannot_be_created_is_one_error() -> None:
    server = Server(operator=True)

    async def run() -> None:
        api = cast("KubeApi", server)
        async with own_namespace(api, "bench", owner="tests", say=lambda _: None) as place:
            jobs = [{**JOB, "metadata": {"name": name}} for name in ("one", "one", "one")]
            await create_all(api, jobs, place, done=lambda _: None)

    with pytest.raises(ApiConflictError, match="one exists"):
        asyncio.run(run())
    assert server.objects == {}
