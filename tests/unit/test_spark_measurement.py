"""From a driver's reports to measurements: differences, clocks, and what is missing stays missing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_spark import report, wire_batch, wire_query

from sparkiot_operator.spark.measurement import measure
from sparkiot_operator.spark.report import DriverReport
from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.job import Prices
from sparkiot_policies.measurement import Measurement

PRICES = Prices()
DESIRED = Allocation(executors=3, memory_mib=2048, tier=Tier.WARM, compression=Compression.LZ4)
APPLIED = {"generation": 4, "executors": 2, "memoryMiB": 4096, "tier": "Hot", "compression": "ZSTD"}


def look(previous: DriverReport | None, current: DriverReport, *, now: float | None = None) -> Measurement:
    return measure(
        previous,
        current,
        now=current.time if now is None else now,
        prices=PRICES,
        desired=DESIRED,
        unschedulable=0,
    )


def test_a_report_that_says_nothing_measures_nothing() -> None:
    assert look(None, report(1000.0)) == Measurement(time=1000.0)
    assert look(report(990.0), report(1000.0)) == Measurement(time=1000.0)


def test_a_measurement_is_as_old_as_what_was_read_from_spark() -> None:
    assert look(None, report(1000.0, figuresAt=993.0), now=1004.0).time == 997.0
    # A clock that was set back between the two makes nothing come from the future.
    assert look(None, report(1000.0, figuresAt=1001.0), now=1004.0).time == 1004.0


def test_the_uptime_is_that_of_the_figures() -> None:
    found = look(None, report(1000.0, figuresAt=993.0, startedAt=900.0), now=1004.0)
    assert (found.time, found.uptime_s) == (997.0, 93.0)
    assert look(None, report(1000.0)).uptime_s is None


@pytest.mark.parametrize(
    ("ending", "noticed", "leaving"),
    [(2, 5, 2), (0, 5, 2), (0, 3, 0), (1, 3, 1), (None, None, 0)],
)
def test_executors_that_end_between_two_looks_are_told_too(
    ending: int | None, noticed: int | None, leaving: int
) -> None:
    before = report(990.0, totals={"executorsNoticed": 3})
    after = report(1000.0, totals={"executorsNoticed": noticed}, executors={"ending": ending})
    found = measure(before, after, now=1000.0, prices=PRICES, desired=DESIRED, unschedulable=0, quota_executors=7)
    assert (found.leaving, found.quota_executors) == (leaving, 7)


def test_a_whole_look() -> None:
    before = report(
        990.0,
        queries=[wire_query(backlogRows=50)],
        totals={
            "rows": 1000,
            "batches": 10,
            "arrivedUntil": 985.0,
            "shuffleWriteBytes": 10_000_000,
            "inputBytes": 40_000_000,
            "taskSeconds": 100.0,
            "executorsLost": 1,
            "executorsOutOfMemory": 0,
        },
        executors={"running": 2, "pending": 0, "cores": 1},
        batches=[wire_batch(10, end=988.0)],
    )
    after = report(
        1000.0,
        queries=[
            wire_query(backlogRows=150, triggerIntervalSeconds=10, stateBytes=3 << 20),
            wire_query(id="q2", backlogRows=0, triggerIntervalSeconds=5, stateBytes=1 << 19),
            wire_query(id="old", active=False, backlogRows=9e9, triggerIntervalSeconds=60, stateBytes=1 << 30),
        ],
        totals={
            "rows": 1400,
            "batches": 12,
            "arrivedUntil": 997.0,
            "shuffleWriteBytes": 14_000_000,
            "inputBytes": 50_000_000,
            "taskSeconds": 110.0,
            "executorsLost": 3,
            "executorsOutOfMemory": 1,
        },
        executors={"running": 2, "pending": 1, "cores": 1},
        batches=[wire_batch(12, end=999.0, rows=300), wire_batch(10, end=988.0), wire_batch(11, end=994.0)],
        memoryPercent=61.5,
        startupSeconds=3.2,
        restartCostSeconds=12.5,
        applied=APPLIED,
    )
    found = measure(before, after, now=5000.0, prices=PRICES, desired=DESIRED, unschedulable=1)
    assert found.time == 5000.0
    assert found.rate == (400 + 100) / 10
    assert found.backlog == 150
    assert found.volume_mb == 5.0
    assert found.shuffle_mb == 2.0
    assert found.cpu == 50.0
    assert (found.memory, found.startup_s, found.restart_cost_s) == (61.5, 3.2, 12.5)
    assert found.state_mib == 3.5  # of the queries that are active
    assert (found.running, found.pending, found.unschedulable) == (2, 1, 1)
    assert found.trigger_interval_s == 10
    assert [(batch.time, batch.rows, batch.latency_ms) for batch in found.batches] == [
        (4994.0, 100, 5000.0),
        (4999.0, 300, 5000.0),
    ]
    assert found.applied == Allocation(executors=2, memory_mib=4096, tier=Tier.HOT, compression=Compression.ZSTD)
    assert (found.lost_executors, found.out_of_memory) == (2, 1)
    shuffle = PRICES.shuffle_gib[Tier.HOT] * 4_000_000 / 2**30 * 360
    assert found.cost_per_hour == pytest.approx(PRICES.compute_per_hour(3, 4096) + shuffle)


def test_without_backlog_the_rate_is_what_arrived_until_the_last_batch_began() -> None:
    before = report(990.0, queries=[wire_query()], totals={"rows": 100, "arrivedUntil": 980.0})
    after = report(1000.0, queries=[wire_query()], totals={"rows": 400, "arrivedUntil": 995.0})
    assert look(before, after).rate == 300 / 15
    assert look(after, after).rate is None


def test_a_query_that_cannot_tell_its_backlog_leaves_the_jobs_unknown() -> None:
    current = report(1000.0, queries=[wire_query(backlogRows=5), wire_query(id="q2")])
    assert look(None, current).backlog is None


def test_a_backlog_of_an_earlier_time_counts_until_then() -> None:
    """Kafka's backlog is known when a batch begins: two looks, one batch of 15 s apart from the one before."""

    def at(time: float, told: float, rows: int, backlog: int) -> DriverReport:
        query = wire_query(backlogRows=backlog, backlogTime=told)
        return report(time, queries=[query], totals={"rows": rows, "arrivedUntil": told})

    first, second = at(1000.0, 996.0, 100, 10), at(1010.0, 1011.0 - 15.0, 100, 10)
    assert look(first, second).rate is None
    assert look(second, at(1020.0, 1011.0, 400, 10)).rate == 20.0


def test_an_idle_source_has_a_rate_of_zero_and_a_hanging_query_has_none() -> None:
    def at(time: float, arrived_until: float, **query: Any) -> DriverReport:
        queries = [wire_query(**{"backlogRows": 0, **query})]
        return report(time, queries=queries, totals={"rows": 100, "arrivedUntil": arrived_until})

    assert look(at(990.0, 988.0), at(1000.0, 999.0)).rate == 0.0
    # Spark tells only every ten seconds that it found nothing.
    assert look(at(990.0, 988.0), at(1000.0, 988.0)).rate == 0.0
    assert look(at(990.0, 988.0, backlogRows=None), at(1000.0, 988.0, backlogRows=None)).rate == 0.0
    busy = {"batchRunningSeconds": 11.0}
    assert look(at(990.0, 988.0, **busy), at(1000.0, 988.0, **busy)).rate is None
    assert look(at(990.0, 988.0, backlogRows=5), at(1000.0, 988.0, backlogRows=5)).rate is None


def test_another_incarnation_starts_anew() -> None:
    totals = {"rows": 5000, "batches": 50, "arrivedUntil": 900.0, "taskSeconds": 900.0, "executorsLost": 4}
    before = report(990.0, totals=totals, executors={"running": 1, "cores": 1}, batches=[wire_batch(50, end=980.0)])
    new = {"rows": 10, "batches": 1, "arrivedUntil": 995.0, "taskSeconds": 1.0, "executorsLost": 1}
    after = report(
        1000.0, incarnation="b", totals=new, executors={"running": 1, "cores": 1}, batches=[wire_batch(1, end=998.0)]
    )
    found = look(before, after)
    assert (found.rate, found.cpu) == (None, None)
    assert found.lost_executors == 1
    assert len(found.batches) == 1


def test_the_first_look_takes_the_batches_that_the_driver_kept_and_no_old_losses() -> None:
    current = report(totals={"executorsLost": 7, "executorsOutOfMemory": 2}, batches=[wire_batch(9, end=900.0)])
    found = look(None, current)
    assert (found.lost_executors, found.out_of_memory, len(found.batches)) == (0, 0, 1)


def test_sizes_of_a_look_without_a_batch_are_the_mean_of_all() -> None:
    totals = {"batches": 4, "inputBytes": 8_000_000, "shuffleWriteBytes": 0}
    found = look(report(990.0, totals=totals), report(1000.0, totals=totals))
    assert (found.volume_mb, found.shuffle_mb) == (2.0, 0.0)


def test_a_source_that_reads_no_bytes_does_not_tell_them() -> None:
    found = look(None, report(totals={"batches": 4, "rows": 100, "inputBytes": 0, "shuffleWriteBytes": 0}))
    assert (found.volume_mb, found.shuffle_mb) == (None, 0.0)


def test_executors_cost_what_was_asked_for_until_the_driver_applied_something() -> None:
    found = look(None, report(executors={"running": 1, "pending": 2}))
    assert found.cost_per_hour == PRICES.compute_per_hour(3, DESIRED.memory_mib)


def test_the_newest_batchs_number_is_where_to_read_on() -> None:
    assert report(batches=[wire_batch(3, end=11.0), wire_batch(2, end=9.5)]).last_seq == 3
    assert report().last_seq is None


def test_fields_of_a_newer_runtime_are_ignored() -> None:
    current = report(totals={"rows": 1, "novelty": 2}, novelty=[1], executors={"list": [{"id": "1", "novelty": 0}]})
    assert current.executors.list_[0].id == "1"


_COUNT = st.none() | st.integers(0, 10**12)
_SECONDS = st.none() | st.floats(0, 1e9)
_TOTALS = st.fixed_dictionaries(
    {
        "rows": _COUNT,
        "batches": _COUNT,
        "arrivedUntil": _SECONDS,
        "shuffleWriteBytes": _COUNT,
        "inputBytes": _COUNT,
        "taskSeconds": _SECONDS,
        "executorsLost": _COUNT,
        "executorsOutOfMemory": _COUNT,
    }
)
_SMALL = st.none() | st.integers(0, 100)


@st.composite
def reports(draw: st.DrawFn) -> DriverReport:
    queries = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "id": st.sampled_from("abc"),
                    "active": st.booleans(),
                    "backlogRows": st.none() | st.floats(0, 1e9),
                    "backlogTime": _SECONDS,
                    "triggerIntervalSeconds": st.none() | st.floats(0, 1e4),
                }
            ),
            max_size=3,
        )
    )
    fields: dict[str, Any] = {
        "queries": queries,
        "totals": draw(_TOTALS),
        "batches": [wire_batch(seq, end=float(seq)) for seq in draw(st.lists(st.integers(2, 30), max_size=6))],
        "executors": {"running": draw(_SMALL), "pending": draw(_SMALL), "cores": draw(st.none() | st.integers(1, 8))},
        "applied": draw(st.none() | st.just(APPLIED)),
    }
    return report(draw(st.floats(0, 1e9)), incarnation=draw(st.sampled_from("ab")), **fields)


@given(st.none() | reports(), reports())
def test_nothing_is_ever_negative(previous: DriverReport | None, current: DriverReport) -> None:
    found = look(previous, current)
    numbers = (
        found.rate,
        found.backlog,
        found.volume_mb,
        found.shuffle_mb,
        found.cpu,
        found.cost_per_hour,
        found.lost_executors,
        found.out_of_memory,
    )
    assert all(number is None or number >= 0 for number in numbers)
    assert found.cpu is None or found.cpu <= 100


@given(st.none() | reports(), reports(), st.randoms())
def test_the_order_of_queries_and_batches_does_not_matter(
    previous: DriverReport | None, current: DriverReport, random: Any
) -> None:
    queries, batches = list(current.queries), list(current.batches)
    random.shuffle(queries)
    random.shuffle(batches)
    shuffled = current.model_copy(update={"queries": tuple(queries), "batches": tuple(batches)})
    found, other = look(previous, current), look(previous, shuffled)
    assert (found.batches, found.running, found.trigger_interval_s) == (
        other.batches,
        other.running,
        other.trigger_interval_s,
    )
    assert found.rate == pytest.approx(other.rate, abs=1e-3, rel=1e-6) if found.rate is not None else other.rate is None


@given(reports())
def test_the_same_report_twice_brings_nothing_new(current: DriverReport) -> None:
    found = look(current, current)
    assert found.batches == ()
    assert (found.rate, found.cpu) == (None, None)
    assert (found.lost_executors, found.out_of_memory) == (0, 0)


@given(st.none() | reports(), reports(), st.floats(0, 1e9))
def test_a_driver_with_another_clock_measures_the_same(
    previous: DriverReport | None, current: DriverReport, now: float
) -> None:
    found = measure(previous, current, now=now, prices=PRICES, desired=DESIRED, unschedulable=0)
    here = look(previous, current)
    assert found.time == now
    assert found.rate == here.rate
    assert [now - batch.time for batch in found.batches] == pytest.approx(
        [current.time - batch.time for batch in here.batches], abs=1e-3
    )
