"""Which tier stands in for one that fails, and when it is tried again: by hand, on a clock that stands still."""

from collections.abc import Iterable, Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from sparkiot_tiers.errors import TierError, TierFull, TierSlow, TierUnavailable
from sparkiot_tiers.failover import ORDER, Failover, Failure, choose
from sparkiot_tiers.store import TIERS, BlockInfo, Buffer, Buffers, Range


def test_without_failures_the_wanted_tier_is_first() -> None:
    failover = Failover(TIERS)
    assert failover.candidates("Hot", 0) == ["Hot", "Warm", "Cold", "Archive"]
    assert failover.candidates("Cold", 0) == ["Cold", "Warm", "Hot", "Archive"]
    assert failover.failures == ()


def test_a_job_uses_only_the_tiers_that_it_has() -> None:
    assert Failover(("Warm", "Archive")).candidates("Hot", 0) == ["Warm", "Archive"]
    assert Failover(()).candidates("Hot", 0) == []


def test_a_failed_tier_is_left_out_until_its_back_off_ends_and_the_back_off_doubles() -> None:
    failover = Failover(("Hot", "Warm"), first_retry_seconds=5, last_retry_seconds=30)
    waits = []
    now = 100.0
    for _ in range(5):
        failure = failover.failed(TierUnavailable("Hot", "no answer"), now)
        assert failover.candidates("Hot", failure.retry_at - 0.01) == ["Warm"]
        assert failover.candidates("Hot", failure.retry_at) == ["Hot", "Warm"]
        waits.append(failure.retry_at - now)
        now = failure.retry_at
    assert waits == [5, 10, 20, 30, 30]
    assert failover.failures == (Failure("Hot", "TierUnavailable", "no answer", 100.0, 5, now),)
    failover.worked("Hot")
    assert failover.failures == ()
    assert failover.failed(TierSlow("Hot", "late"), now).retry_at == now + 5


def test_since_is_the_first_failure_and_the_reason_the_newest() -> None:
    failover = Failover(TIERS)
    failover.failed(TierSlow("Cold", "late"), 10.0)
    newest = failover.failed(TierFull("Cold", "no room"), 20.0)
    assert (newest.since, newest.reason, newest.message) == (10.0, "TierFull", "no room")


class Store:
    """A tier that works, or whose check fails as it is told."""

    def __init__(self, tier: str) -> None:
        self.tier, self.checks = tier, 0
        self.error: TierError | None = None

    def check(self) -> None:
        self.checks += 1
        if self.error is not None:
            raise self.error

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        raise AssertionError("choosing writes nothing")

    def read(self, requests: Sequence[Range]) -> Buffers:
        raise AssertionError("choosing reads nothing")

    def delete(self, keys: Iterable[str]) -> None:
        raise AssertionError("choosing deletes nothing")

    def delete_prefix(self, prefix: str) -> int:
        raise AssertionError("choosing deletes nothing")

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        raise AssertionError("choosing lists nothing")

    def close(self) -> None: ...


def test_a_tier_that_failed_is_checked_before_a_batch_relies_on_it() -> None:
    hot, warm = Store("Hot"), Store("Warm")
    stores, failover, now = {"Hot": hot, "Warm": warm}, Failover(("Hot", "Warm")), [0.0]

    def chosen() -> str:
        found = choose(failover, stores, "Hot", lambda: now[0])
        assert found is not None
        return found.tier

    assert chosen() == "Hot"
    assert hot.checks == 0, "what works is not asked whether it does"
    hot.error = TierUnavailable("Hot", "no answer")
    failover.failed(hot.error, now[0])
    assert (chosen(), hot.checks) == ("Warm", 0)
    now[0] = 5.0
    assert (chosen(), hot.checks) == ("Warm", 1)
    assert failover.failures[0].retry_at == 15.0
    now[0], hot.error = 15.0, None
    assert (chosen(), hot.checks) == ("Hot", 2)
    assert failover.failures == ()


def test_no_tier_is_chosen_when_none_works() -> None:
    failover = Failover(("Hot",))
    failover.failed(TierUnavailable("Hot", "no answer"), 0.0)
    assert choose(failover, {"Hot": Store("Hot")}, "Hot", lambda: 1.0) is None


@given(
    st.sets(st.sampled_from(TIERS)),
    st.lists(st.tuples(st.sampled_from(TIERS), st.booleans(), st.floats(0, 100))),
    st.sampled_from(TIERS),
)
def test_whatever_happens_the_order_holds_and_every_tier_comes_back(
    tiers: set[str], events: list[tuple[str, bool, float]], wanted: str
) -> None:
    failover, now = Failover(sorted(tiers, key=TIERS.index), last_retry_seconds=50), 0.0
    for tier, fails, delay in events:
        now += delay
        if fails:
            failover.failed(TierUnavailable(tier, "no answer"), now)
        else:
            failover.worked(tier)
        found = failover.candidates(wanted, now)
        assert found == [t for t in ORDER[wanted] if t in found]
        assert {*found} | {failure.tier for failure in failover.failures} == tiers
    assert {*failover.candidates(wanted, now + 50)} == tiers


def test_every_order_begins_with_the_tier_itself_and_names_all() -> None:
    for tier, order in ORDER.items():
        assert order[0] == tier
        assert sorted(order) == sorted(TIERS)
