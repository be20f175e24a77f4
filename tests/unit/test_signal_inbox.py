"""Which signals are believed: age, order, clocks and liars, one by one and all together."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_edge.signal import Signal
from sparkiot_operator.signals.inbox import MOST_SOURCES, Accepted, Dropped, SignalInbox

NOW = 1_767_571_200.0


def inbox(**bounds: float) -> SignalInbox:
    return SignalInbox(**{"stale_after_s": 30.0, "max_rate": 1e6} | bounds)


def payload(time: float, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "schema": 1,
        "time": time,
        "horizon": 60.0,
        "predictedRate": 500.0,
        "probability": 0.9,
        "alarm": False,
        "model": "Temporal",
        "source": "g/city",
    }
    return Signal(**values | changes).encode()


def rate(box: SignalInbox) -> float | None:
    found = box.edge_signal()
    return found.predicted_rate if found else None


def test_the_newest_counts() -> None:
    box = inbox()
    assert box.edge_signal() is None
    for second in range(3):
        assert isinstance(box.take(payload(NOW + second, predictedRate=100.0 + second), now=NOW + second), Accepted)
    assert rate(box) == 102
    assert box.accepted == 3
    assert not box.dropped


def test_duplicates_and_late_ones_change_nothing() -> None:
    box = inbox()
    box.take(payload(NOW, predictedRate=1.0), now=NOW)
    box.take(payload(NOW + 10, predictedRate=2.0), now=NOW + 10)
    assert box.take(payload(NOW + 10, predictedRate=3.0), now=NOW + 10.1) is Dropped.DUPLICATE
    assert box.take(payload(NOW + 5, predictedRate=4.0), now=NOW + 10.2) is Dropped.OUT_OF_ORDER
    assert rate(box) == 2


def test_a_signal_that_a_broker_kept_is_judged_by_its_age() -> None:
    box = inbox()
    assert box.take(payload(NOW - 31), now=NOW, direct=False) is Dropped.STALE
    found = box.take(payload(NOW - 20), now=NOW, direct=False)
    assert isinstance(found, Accepted)
    assert found.time == NOW - 20


def test_what_claims_more_than_the_job_allows_is_dropped() -> None:
    box = inbox(max_rate=1000.0)
    assert box.take(payload(NOW, predictedRate=1000.5, alarm=True), now=NOW) is Dropped.IMPLAUSIBLE
    assert box.edge_signal() is None


@pytest.mark.parametrize("skew", [-120.0, -2.5, 2.5, 29.0, 120.0, 290.0])
def test_a_clock_that_is_off_is_measured_and_corrected(skew: float) -> None:
    """skew: how far the gateway's clock is behind."""
    box = inbox()
    for second in range(0, 100, 10):
        box.take(payload(NOW + second - skew), now=NOW + second + 0.1)
    assert box.skew_s == pytest.approx(skew + 0.1)
    found = box.newest
    assert found is not None
    assert found.time == pytest.approx(NOW + 90, abs=0.11)
    # At most the first two were judged by the clock that was off.
    assert box.accepted >= 8


def test_a_small_distance_is_the_way_and_not_corrected() -> None:
    box = inbox()
    for second in range(0, 50, 10):
        found = box.take(payload(NOW + second), now=NOW + second + 1.5)
        assert isinstance(found, Accepted)
        assert found.time == NOW + second


def test_a_clock_beyond_the_bound_is_not_believed_and_said_so() -> None:
    box = inbox()
    seen = [box.take(payload(NOW + second - 400), now=NOW + second) for second in range(0, 50, 10)]
    assert seen == [Dropped.STALE, Dropped.STALE, *[Dropped.CLOCK_SKEW] * 3]


def test_the_far_future_neither_comes_in_nor_keeps_others_out() -> None:
    box = inbox()
    for second in range(0, 40, 10):
        box.take(payload(NOW + second), now=NOW + second)
    assert box.take(payload(NOW + 1e8, alarm=True), now=NOW + 40) is Dropped.FUTURE
    assert box.take(payload(NOW + 60, alarm=True), now=NOW + 41) is Dropped.FUTURE
    assert isinstance(box.take(payload(NOW + 50, predictedRate=7.0), now=NOW + 50), Accepted)
    assert rate(box) == 7
    assert abs(box.skew_s) < 1


def test_only_the_first_alarm_is_a_burst_until_it_ends_or_is_forgotten() -> None:
    box = inbox()
    alarms = [(0, False), (10, True), (11, True), (20, False), (21, True), (60, True)]
    found = [box.take(payload(NOW + t, alarm=a), now=NOW + t) for t, a in alarms]
    assert [isinstance(f, Accepted) and f.burst for f in found] == [False, True, False, False, True, True]


def test_an_alarm_that_announces_a_quarter_more_is_a_burst_again() -> None:
    """Of 100, 125, 126, 150, 158 and 400: 126 is more than 1.25 times 100, 158 than 1.25 times 126."""
    box = inbox()
    found = [
        box.take(payload(NOW + t, alarm=True, predictedRate=rate), now=NOW + t)
        for t, rate in enumerate((100.0, 125.0, 126.0, 150.0, 158.0, 400.0, 390.0))
    ]
    assert [isinstance(f, Accepted) and f.burst for f in found] == [True, False, True, False, True, True, False]


def test_a_load_that_grows_without_an_alarm_is_no_burst() -> None:
    box = inbox()
    found = [box.take(payload(NOW + t, predictedRate=10.0**t), now=NOW + t) for t in range(5)]
    assert not any(isinstance(f, Accepted) and f.burst for f in found)


def test_names_of_sources_do_not_fill_the_memory() -> None:
    box = inbox()
    for number in range(10 * MOST_SOURCES):
        box.take(payload(NOW, source=f"g/{number}"), now=NOW)
    assert len(box._sources) == MOST_SOURCES


@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(0, 40), st.booleans()), max_size=40))
def test_whatever_comes_is_counted_once_and_never_from_the_future(
    signals: list[tuple[float, float, bool]],
) -> None:
    box, now = inbox(), NOW
    for offset, wait, direct in signals:
        now += wait
        box.take(payload(now + offset), now=now, direct=direct)
        found = box.newest
        if found is not None and found.arrived == now:
            assert now - 30 <= found.time <= now
    assert box.accepted + sum(box.dropped.values()) == len(signals)


def test_order_of_delivery_does_not_decide_which_is_the_newest() -> None:
    rng = random.Random(1)
    for _ in range(20):
        box = inbox()
        times = list(range(20))
        rng.shuffle(times)
        for t in times:
            box.take(payload(NOW + t, predictedRate=float(t)), now=NOW + 20)
        assert rate(box) == 19
