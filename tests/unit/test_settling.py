"""Which batches count: what Spark's start does to them is left out."""

from support_jobs import NOW, measurement

from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_policies.settling import JITTER_S, WARM_UP_S, Settling


def batch(began: float, end: float) -> Batch:
    """Times in seconds after NOW."""
    return Batch(NOW + end, 10.0, end - began, 1000.0)


def seen(at: float, *batches: Batch, uptime_s: float | None) -> Measurement:
    return measurement(NOW + at, batches=batches, uptime_s=uptime_s)


def test_where_nobody_tells_when_spark_started_all_count() -> None:
    batches = batch(0, 1), batch(1, 2)
    assert Settling().settled(seen(10, *batches, uptime_s=None)) == batches


def test_a_batch_that_began_within_the_warm_up_does_not_count_however_long_it_took() -> None:
    settling = Settling()
    first, second, third = batch(5, 20), batch(WARM_UP_S - 1, 300), batch(WARM_UP_S, 301)
    assert settling.settled(seen(20, first, uptime_s=20.0)) == ()
    assert settling.settled(seen(310, second, third, uptime_s=310.0)) == (third,)


def test_the_first_batch_does_not_count_however_late_it_came() -> None:
    settling = Settling()
    assert settling.settled(seen(3600, uptime_s=3600.0)) == ()
    assert settling.settled(seen(3700, batch(3650, 3660), batch(3661, 3662), uptime_s=3700.0)) == (batch(3661, 3662),)
    assert settling.settled(seen(3800, batch(3790, 3791), uptime_s=3800.0)) == (batch(3790, 3791),)


def test_a_restart_begins_anew_and_leaves_out_what_ended_before_it() -> None:
    settling = Settling()
    settling.settled(seen(1000, batch(990, 991), batch(992, 993), uptime_s=1000.0))
    # Started again at 1040. One batch ended before that; of those after it the first does not count, nor do cold ones.
    before, first, cold, warm = batch(1030, 1035), batch(1100, 1101), batch(1099, 1102), batch(1101, 1103)
    assert settling.settled(seen(1110, before, first, cold, warm, uptime_s=70.0)) == (warm,)


def test_clocks_that_jitter_are_no_restart() -> None:
    settling = Settling()
    settling.settled(seen(1000, batch(990, 991), uptime_s=1000.0))
    jittered = seen(1100, batch(1090, 1091), uptime_s=1100.0 - JITTER_S / 2)
    assert settling.settled(jittered) == (batch(1090, 1091),)
