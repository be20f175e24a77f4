"""Status patches name the version that they were made for: what another has written over is not written again."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from support_objects import NoObjects

from sparkiot_operator.errors import ApiConflictError, NotLeadingError
from sparkiot_operator.events import JobRef
from sparkiot_operator.status_patch import StatusPatch

REF = JobRef("iot", "city", "uid-1")


class Server(NoObjects):
    """One job's object. fence: what a request that changes something passes on its way."""

    def __init__(self) -> None:
        self.version = 4
        self.accepted: list[Mapping[str, Any]] = []
        self.fence: Callable[[], None] = lambda: None
        self.busy = False

    async def patch_status(self, namespace: str, name: str, patch: Mapping[str, Any], *, version: str) -> str:
        self.fence()
        if version != str(self.version):
            raise ApiConflictError(f"409: version {self.version}")
        self.accepted.append(patch)
        self.version += 1
        return str(self.version)

    async def read_job(self, namespace: str, name: str) -> Mapping[str, Any]:
        read = {"metadata": {"resourceVersion": str(self.version)}}
        self.version += self.busy
        return read

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        raise NotImplementedError

    async def read_config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        raise NotImplementedError

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        raise NotImplementedError


async def test_patches_follow_each_other_without_a_look() -> None:
    server = Server()
    patch = StatusPatch(REF, api=server, version="4")
    await patch.send({"phase": "Pending"})
    await patch.send({"phase": "Running"})
    assert [change["phase"] for change in server.accepted] == ["Pending", "Running"]


async def test_after_a_spec_edit_one_look_tells_the_version() -> None:
    server = Server()
    patch = StatusPatch(REF, api=server, version="4")
    server.version = 9
    await patch.send({"phase": "Running"})
    assert server.accepted == [{"phase": "Running"}]
    assert server.version == 10


async def test_one_that_does_not_lead_any_more_writes_nothing_over_its_successor() -> None:
    server = Server()
    patch = StatusPatch(REF, api=server, version="4")
    server.version = 5  # the successor wrote while this one was stopped, after it had passed the fence
    passed = iter([True, False])

    def fence() -> None:
        if not next(passed):
            raise NotLeadingError("does not hold the lease (any more)")

    server.fence = fence
    with pytest.raises(NotLeadingError):
        await patch.send({"phase": "Running"})
    assert server.accepted == []


async def test_where_others_keep_writing_it_is_told() -> None:
    server = Server()
    server.version, server.busy = 5, True
    with pytest.raises(ApiConflictError):
        await StatusPatch(REF, api=server, version="4").send({"phase": "Running"})
    assert server.accepted == []
