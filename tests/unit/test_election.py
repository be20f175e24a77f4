"""The election on a lease in memory, in virtual time: who leads when, and what may then still be done."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_operator.election import Election, Timing
from sparkiot_operator.errors import ApiConflictError, ApiNotFoundError, ApiUnreachableError, NotLeadingError
from sparkiot_operator.lease import Lease, LeaseStore

TIMING = Timing(duration=15, deadline=10, retry=2)
PATH = "/apis/coordination.k8s.io/v1/namespaces/ops/leases/lock"
Json = dict[str, Any]


class Server:
    """One lease, with resource versions; ``down`` answers nothing."""

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.down = False
        self.writes = 0

    async def read(self, path: str) -> Json:
        self._answer(path)
        if self.lease is None:
            raise ApiNotFoundError(path)
        return self.lease

    async def create(self, path: str, manifest: Mapping[str, Any]) -> Json:
        self._answer(f"{path}/{manifest['metadata']['name']}")
        if self.lease is not None:
            raise ApiConflictError(path)
        return self._store(manifest)

    async def replace(self, path: str, manifest: Mapping[str, Any]) -> Json:
        self._answer(path)
        if self.lease is None or manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiConflictError(path)
        return self._store(manifest)

    def edit(self) -> None:
        """Somebody adds a label."""
        assert self.lease is not None
        self._store(self.lease)

    @property
    def holder(self) -> str:
        return Lease.of(self.lease or {}).holder

    def _answer(self, path: str) -> None:
        assert path == PATH
        if self.down:
            raise ApiUnreachableError(path)

    def _store(self, manifest: Mapping[str, Any]) -> Json:
        self.writes += 1
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.writes)}}
        return self.lease


class World:
    """A server, and candidates whose clocks tell the same time; their wall clocks differ by years."""

    def __init__(self) -> None:
        self.server = Server()
        self.now = 0.0

    def candidate(self, identity: str, *, ahead: float = 0.0) -> Election:
        async def sleep(seconds: float) -> None:
            self.now += seconds
            await asyncio.sleep(0)

        return Election(
            LeaseStore(self.server, namespace="ops", name="lock"),
            identity=identity,
            timing=TIMING,
            wall=lambda: 1_700_000_000 + ahead + self.now,
            clock=lambda: self.now,
            sleep=sleep,
        )


def run(election: Election) -> None:
    asyncio.run(election.acquire())


def test_the_first_one_takes_a_lease_as_kubernetes_writes_it() -> None:
    world = World()
    first = world.candidate("a")
    run(first)
    assert world.server.lease == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": "ops", "name": "lock", "resourceVersion": "1"},
        "spec": {
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "2023-11-14T22:13:20.000000Z",
            "renewTime": "2023-11-14T22:13:20.000000Z",
            "leaseTransitions": 0,
        },
    }
    first.check()


def test_another_waits_for_the_whole_duration_whatever_the_clocks_on_the_wall_say() -> None:
    world = World()
    run(world.candidate("a"))
    second = world.candidate("b", ahead=1e8)
    run(second)
    assert world.now == 16  # looks at 0, 2, …; the duration is over at 15
    assert (world.server.holder, Lease.of(world.server.lease or {}).transitions) == ("b", 1)


def test_a_holder_acts_until_its_deadline_and_no_longer() -> None:
    world = World()
    first = world.candidate("a")
    run(first)
    world.now = 9.9
    first.check()
    world.now = 10
    with pytest.raises(NotLeadingError, match="a does not hold the lease"):
        first.check()


def test_a_holder_that_slept_does_not_renew_what_may_be_anothers() -> None:
    world = World()
    first = world.candidate("a")
    run(first)
    world.now = 3600  # nobody else was there: the lease is still in its name
    before = world.server.writes
    with pytest.raises(NotLeadingError):
        asyncio.run(first.hold())
    assert world.server.writes == before


def test_a_holder_gives_up_when_the_api_server_is_away_for_longer_than_its_deadline() -> None:
    world = World()
    first = world.candidate("a")
    run(first)
    world.server.down = True
    with pytest.raises(NotLeadingError):
        asyncio.run(first.hold())
    assert 10 <= world.now < 15  # before anybody else may take it


def test_a_stranger_s_edit_costs_a_look_and_not_the_lease() -> None:
    world = World()
    first = world.candidate("a")
    run(first)
    world.server.edit()

    async def hold_for_a_while() -> None:
        holding = asyncio.create_task(first.hold())
        for _ in range(200):
            await asyncio.sleep(0)
        assert not holding.done()
        holding.cancel()

    asyncio.run(hold_for_a_while())
    assert world.server.holder == "a"
    first.check()


def test_what_is_released_is_taken_at_once_and_only_by_the_holder() -> None:
    world = World()
    first, second = world.candidate("a"), world.candidate("b")
    run(first)
    asyncio.run(first.release())
    assert world.server.holder == ""
    with pytest.raises(NotLeadingError):
        first.check()
    run(second)
    assert (world.server.holder, world.now) == ("b", 0)
    asyncio.run(first.release())
    assert world.server.holder == "b"


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.floats(0.1, 40), st.booleans()), min_size=1, max_size=60
    )
)
def test_at_no_time_two_may_act(events: list[tuple[str, float, bool]]) -> None:
    """Candidates that try, pause for any time and lose the API server in any order."""
    world = World()
    candidates = {name: world.candidate(name) for name in "abc"}

    async def play() -> None:
        for name, pause, down in events:
            world.server.down = down
            await candidates[name]._try()
            assert sum(c.leading for c in candidates.values()) <= 1
            world.now += pause
            assert sum(c.leading for c in candidates.values()) <= 1

    asyncio.run(play())
