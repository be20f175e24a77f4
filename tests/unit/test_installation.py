"""What a check of an installation says when each part of it is missing; that it succeeds is tested with a real one."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sparkiot_operator import installation
from sparkiot_operator.errors import ApiNotFoundError, ApiRefusedError, InstallationError
from sparkiot_operator.installation import runs_a_job
from sparkiot_operator.resource.translate import parse_spec

Json = dict[str, Any]


class Cluster:
    """Knows the resource, and an operator that does as much of its work as a test wants.

    condition: what the operator writes on a new job; None when nobody looks at it. lets_go: it takes finalizers off.
    """

    def __init__(self, *, condition: Json | None = None, lets_go: bool = True, left: bool = False) -> None:
        self.condition, self.lets_go = condition, lets_go
        self.job: Json | None = {"metadata": {"uid": "old"}} if left else None
        self.deleted: list[str] = []

    async def check(self) -> None:
        return None

    async def create(self, path: str, manifest: Mapping[str, Any]) -> Json:
        assert path == "/apis/sparkiot.dev/v1alpha1/namespaces/iot/sparkiotjobs"
        parse_spec(manifest["spec"])
        assert self.job is None
        conditions = [self.condition] if self.condition else []
        self.job = {"metadata": {"uid": "new"}, "status": {"conditions": conditions}}
        return self.job

    async def read_job(self, namespace: str, name: str) -> Json:
        assert (namespace, name) == ("iot", "check")
        if self.job is None:
            raise ApiNotFoundError("gone")
        return self.job

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        assert (namespace, name) == ("iot", "check")
        self.deleted.append(uid)
        if self.lets_go:
            self.job = None
        elif self.job is not None:
            self.job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"


READY = {"type": "Ready", "status": "True", "reason": "Running"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "POLL_S", 0.001)


def check(cluster: Cluster) -> list[str]:
    said: list[str] = []
    asyncio.run(runs_a_job(cluster, "iot", "check", patience_s=0.05, say=said.append))
    return said


def test_a_job_becomes_ready_and_goes_and_so_does_one_that_was_left() -> None:
    cluster = Cluster(condition=READY, left=True)
    assert check(cluster)[-1] == "and has let it go"
    assert cluster.deleted == ["old", "new"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (None, "no operator has looked at it"),
        ({"type": "Ready", "status": "False", "reason": "PolicyMissing", "message": "no such file"}, "no such file"),
        ({"type": "Ready", "status": "Unknown", "reason": "Waiting"}, "Waiting"),
    ],
)
def test_a_job_that_is_not_ready_is_named_with_what_it_said_last_and_deleted(condition: Json | None, said: str) -> None:
    cluster = Cluster(condition=condition)
    with pytest.raises(InstallationError, match=said):
        check(cluster)
    assert cluster.deleted == ["new"]


def test_an_operator_that_does_not_let_go_is_told() -> None:
    with pytest.raises(InstallationError, match="finalizer waits for an operator"):
        check(Cluster(condition=READY, lets_go=False))


def test_a_cluster_without_the_resource_is_told() -> None:
    class Bare(Cluster):
        async def check(self) -> None:
            raise ApiNotFoundError("the server does not serve sparkiotjobs")

    with pytest.raises(ApiNotFoundError, match="does not serve"):
        check(Bare())


def test_what_it_may_not_do_is_told() -> None:
    class Closed(Cluster):
        async def create(self, path: str, manifest: Mapping[str, Any]) -> Json:
            raise ApiRefusedError(f"POST {path}: 403 forbidden")

    with pytest.raises(ApiRefusedError, match="403"):
        check(Closed())
