"""Which tier stands in for one that fails, and when it is tried again: by hand, on a clock that stands still."""

from hypothesis import given
from hypothesis import strategies as st

from sparkiot_tiers.errors import TierFull, TierSlow, TierUnavailable
from sparkiot_tiers.failover import ORDER, Failover, Failure
from sparkiot_tiers.store import TIERS


def test_the_back_off_doubles_and_begins_anew_once_the_tier_has_worked() -> None:
    failover = Failover(("Hot", "Warm"), first_retry_seconds=5, last_retry_seconds=30)
    assert failover.failures == ()
    waits = []
    now = 100.0
    for _ in range(5):
        failure = failover.failed(TierUnavailable("Hot", "no answer"), now)
        waits.append(failure.retry_at - now)
        now = failure.retry_at
    assert waits == [5, 10, 20, 30, 30]
    assert failover.failures == (Failure("Hot", "TierUnavailable", "no answer", 100.0, 5, now),)
    assert failover.failure("Hot") == failover.failures[0]
    assert failover.failure("Warm") is None
    failover.worked("Hot")
    assert failover.failures == ()
    assert failover.failed(TierSlow("Hot", "late"), now).retry_at == now + 5


def test_since_is_the_first_failure_and_the_reason_the_newest() -> None:
    failover = Failover(TIERS)
    failover.failed(TierSlow("Cold", "late"), 10.0)
    newest = failover.failed(TierFull("Cold", "no room"), 20.0)
    assert (newest.since, newest.reason, newest.message) == (10.0, "TierFull", "no room")


@given(st.lists(st.tuples(st.sampled_from(TIERS), st.booleans(), st.floats(0, 100))))
def test_whatever_happens_a_tier_fails_as_its_last_word_says_and_is_tried_again_in_time(
    events: list[tuple[str, bool, float]],
) -> None:
    failover, now, last = Failover(TIERS, last_retry_seconds=50), 0.0, dict[str, bool]()
    for tier, fails, delay in events:
        now += delay
        last[tier] = fails
        if fails:
            failure = failover.failed(TierUnavailable(tier, "no answer"), now)
            assert now + 5 <= failure.retry_at <= now + 50
        else:
            failover.worked(tier)
        assert {failure.tier for failure in failover.failures} == {tier for tier, failed in last.items() if failed}


def test_every_order_begins_with_the_tier_itself_and_names_all() -> None:
    for tier, order in ORDER.items():
        assert order[0] == tier
        assert sorted(order) == sorted(TIERS)
