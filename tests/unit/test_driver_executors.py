"""Executors: what their summaries say, who goes first, and totals that only grow."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_driver.executors import (
    Executor,
    Requests,
    Step,
    least_useful,
    memory_percent,
    next_step,
    parse,
    short_of_memory,
)
from sparkiot_driver.figures import ExecutorFigures, Growing, spill_of_stages

EXIT_137 = "The executor with id 3 exited with exit code 137(SIGKILL, possible container OOM)."
SUMMARY: dict[str, Any] = {
    "id": "3",
    "hostPort": "[fd00::7]:7079",
    "isActive": True,
    "rddBlocks": 1,
    "memoryUsed": 10,
    "diskUsed": 20,
    "totalCores": 2,
    "activeTasks": 1,
    "failedTasks": 4,
    "totalDuration": 5000,
    "totalGCTime": 250,
    "totalInputBytes": 30,
    "totalShuffleRead": 40,
    "totalShuffleWrite": 50,
    "addTime": 1795377326326,
    "removeTime": None,
    "removeReason": None,
    "peakMemoryMetrics": {"OnHeapUnifiedMemory": 0},
}


def executor(id_: str, **fields: Any) -> Executor:
    return parse({**SUMMARY, "activeTasks": 0, "id": id_})._replace(**fields)


def test_a_summary_of_spark() -> None:
    read = parse(SUMMARY)
    assert (read.id, read.host, read.cores, read.gc_seconds, read.task_seconds) == ("3", "fd00::7", 2, 0.25, 5.0)
    assert read.peak_unified is None, "no heartbeat yet"
    assert read.removed_at is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (EXIT_137, False),
        (EXIT_137 + " termination reason: OOMKilled", True),
        ("The executor with id 3 exited with exit code 52(JVM OOM).", True),
        ("Command exited with code 52", True),
        ("Command exited with code 521", False),
        ("Command exited with code 137", False),
        ("java.lang.OutOfMemoryError: Java heap space", True),
        ("Executor decommission: no longer wanted", False),
    ],
)
def test_only_lack_of_memory_counts_as_out_of_memory(reason: str, expected: bool) -> None:
    assert executor("3", reason=reason).out_of_memory is expected


def test_who_has_no_task_and_the_least_data_goes_first() -> None:
    crowd = [
        executor("busy", active_tasks=1, blocks=0, shuffle_write=0),
        executor("cache", blocks=9, shuffle_write=0),
        executor("shuffle", blocks=0, memory_used=0, disk_used=0, shuffle_write=9),
        executor("old", blocks=0, memory_used=0, disk_used=0, shuffle_write=0, registered_at=1.0),
        executor("new", blocks=0, memory_used=0, disk_used=0, shuffle_write=0, registered_at=2.0),
    ]
    assert least_useful(crowd, 5) == ["new", "old", "shuffle", "cache", "busy"]
    assert least_useful(crowd, -1) == []


@given(st.integers(0, 12), st.integers(0, 12), st.integers(-1, 12))
def test_a_step_leaves_the_wanted_number_and_never_none(here: int, gone: int, wanted: int) -> None:
    active = [executor(str(n)) for n in range(here)]
    leaving = dict.fromkeys([e.id for e in active][:gone], 0.0)
    step = next_step(active, leaving, wanted, 1.0, patience=60)
    staying = here - len(leaving) - len(step.decommission)
    assert not set(step.decommission) & set(leaving)
    assert staying == min(here - len(leaving), max(wanted, 1))
    assert step.kill == []


def test_who_does_not_leave_in_time_is_killed_once_present() -> None:
    active = [executor("1"), executor("2"), executor("3")]
    assert next_step(active, {"1": 0.0, "2": 50.0, "9": 0.0}, 1, 61.0, patience=60).kill == ["1"]


def test_who_has_to_end_goes_and_is_replaced_ahead() -> None:
    """Three are wanted, and the node of two of them is drained."""
    active = [executor(id_) for id_ in ("1", "2", "3")]
    step = next_step(active, {}, 3, 0.0, patience=60, noticed={"2", "3", "9"})
    assert step == Step(decommission=["2", "3"], kill=[], total=5)
    # Told already, and one replacement is there: both that end still count for Spark.
    leaving = {"2": 0.0, "3": 0.0}
    step = next_step([*active, executor("4")], leaving, 3, 1.0, patience=60, noticed={"2", "3"})
    assert step == Step(decommission=[], kill=[], total=5)
    # All that were wanted stay: Spark asks for no more, however long those that end take.
    step = next_step([*active, executor("4"), executor("5")], leaving, 3, 2.0, patience=60, noticed={"2", "3"})
    assert step == Step(decommission=[], kill=[], total=3)
    step = next_step([executor("1"), executor("4")], {}, 3, 3.0, patience=60, noticed={"2", "3"})
    assert step == Step(decommission=[], kill=[], total=3), "they are gone"


def test_who_has_to_end_spares_others_when_fewer_are_wanted() -> None:
    active = [executor(id_) for id_ in ("1", "2", "3")]
    step = next_step(active, {}, 2, 0.0, patience=60, noticed={"1"})
    assert step == Step(decommission=["1"], kill=[], total=2)


def test_executors_that_a_notice_named_are_counted_once_and_not_as_lost() -> None:
    figures = ExecutorFigures()
    figures.update([executor("1"), executor("2")], told=[], wanted=2, asked_at=0.0)
    for _ in range(2):
        figures.update([executor("1"), executor("2")], told=["2"], noticed=["2", "9"], wanted=2, asked_at=0.0)
        assert (figures.noticed, figures.notices) == ({"2"}, 1)
        assert [staying.id for staying in figures.staying] == ["1"]
    gone = executor("2", active=False, removed_at=9.0)
    figures.update([executor("1"), gone], told=["2"], noticed=["2"], wanted=2, asked_at=0.0)
    assert (figures.noticed, figures.totals()["executorsNoticed"], figures.totals()["executorsLost"]) == (set(), 1, 0)


def test_memory_is_unknown_until_an_executor_tells() -> None:
    gib = 2**30
    told = executor("1", peak_unified=gib // 4)
    assert memory_percent([executor("2")], heap_bytes=gib, state_bytes=None) is None
    assert memory_percent([], heap_bytes=gib, state_bytes=0) is None
    assert memory_percent([told], heap_bytes=None, state_bytes=0) is None
    assert memory_percent([told, executor("2")], heap_bytes=gib, state_bytes=gib // 4) == pytest.approx(
        100 * (0.25 + 0.125 + 300 / 1024)
    )


def test_a_start_takes_from_its_own_request() -> None:
    requests = Requests()
    requests.wanted(2, 100.0)
    first, second = executor("1", registered_at=103.0), executor("2", registered_at=107.0)
    assert requests.registered(first) == 3.0
    requests.wanted(1, 105.0)
    assert requests.registered(second) == 7.0, "it was asked for with the first"
    assert requests.registered(executor("3")) is None, "nobody asked for it"
    assert requests.registered(first) == 3.0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), max_size=30), st.sets(st.integers(0, 30)))
def test_growing_sums_never_shrink(updates: list[tuple[str, int]], resets: set[int]) -> None:
    growing, before = Growing(), 0.0
    for step, (key, value) in enumerate(updates):
        growing.update(key, value)
        if step in resets:
            growing.settle()
        assert growing.total >= before
        before = growing.total


def test_totals_outlive_a_restart_and_only_unwanted_leaves_are_losses() -> None:
    figures = ExecutorFigures()
    driver = executor("driver", failed_tasks=1000)
    figures.asked(2, 1795377320.0)
    figures.update([driver, executor("1"), executor("2")], told=[], wanted=2, asked_at=0.0)
    assert figures.startup["1"] == pytest.approx(6.326)
    assert figures.totals()["failedTasks"] == 8
    gone = executor("2", active=False, removed_at=9.0, reason="Command exited with code 52")
    left = executor("1", active=False, removed_at=9.0, reason="Executor decommission: no longer wanted")
    figures.update([driver, left, gone], told=["1"], wanted=1, asked_at=9.0)
    figures.update([driver, left, gone], told=["1"], wanted=1, asked_at=9.0)
    assert (figures.lost, figures.out_of_memory) == (1, 1)
    assert [(r["id"], r["wanted"], r["outOfMemory"]) for r in figures.removed] == [
        ("1", True, False),
        ("2", False, True),
    ]
    figures.update([driver, executor("3")], told=["1"], wanted=1, asked_at=9.0)
    figures.new_start(10.0)
    assert figures.active == []
    assert figures.removed[-1] == {
        "id": "3",
        "time": 10.0,
        "reason": "Spark was restarted",
        "outOfMemory": False,
        "wanted": True,
    }
    figures.update([executor("1", failed_tasks=1)], told=[], wanted=1, asked_at=9.0)
    assert figures.totals()["failedTasks"] == 13
    assert figures.totals()["executorsLost"] == 1


def test_an_executor_whose_task_ran_out_of_heap_is_out_of_memory_whatever_its_exit_code() -> None:
    wrapped = "SparkException: [TASK_WRITE_FAILED]\nCaused by: java.lang.OutOfMemoryError: Java heap space"
    tasks = [
        {"executorId": "1", "errorMessage": wrapped},
        {"executorId": "2", "errorMessage": "org.apache.spark.memory.SparkOutOfMemoryError: no page"},
        {"executorId": "3", "errorMessage": None},
        {"executorId": "4"},
    ]
    assert short_of_memory(tasks) == {"1"}
    figures, reason = ExecutorFigures(), "The executor with id 1 exited with exit code 50(Uncaught exception)."
    figures.update([executor("1")], told=[], wanted=1, asked_at=0.0, short_of_memory=["1"])
    assert figures.out_of_memory == 0, "it is still here"
    gone = executor("1", active=False, removed_at=9.0, reason=reason)
    figures.update([gone], told=[], wanted=1, asked_at=0.0, short_of_memory=["1"])
    assert (figures.out_of_memory, figures.removed[-1]["outOfMemory"]) == (1, True)
    # Another start counts its executors from 1 again.
    figures.new_start(10.0)
    figures.update([gone], told=[], wanted=1, asked_at=11.0)
    assert figures.out_of_memory == 1


def test_spill_counts_each_stage_once() -> None:
    stages = [
        {"stageId": 1, "attemptId": 0, "memoryBytesSpilled": 5, "diskBytesSpilled": 2},
        {"stageId": 2, "attemptId": 0, "memoryBytesSpilled": 0, "diskBytesSpilled": 0},
    ]
    figures = ExecutorFigures()
    for _ in range(2):
        figures.spilled(spill_of_stages(stages))
    assert figures.totals()["spillBytes"] == 7
