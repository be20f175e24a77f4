"""Policies over one log: what differs is counted by kind, the largest is kept, and doubts about the model are told."""

from dataclasses import replace
from itertools import islice

import pytest
from support_recorded import FOUR, JOB, course_of, look, simulated_looks

from sparkiot_operator.audit import AuditRecord
from sparkiot_operator.comparison import Comparison, Differences, Modelled, model
from sparkiot_operator.events import JobRef
from sparkiot_operator.replay import Replayed
from sparkiot_policies.allocation import Allocation, Tier
from sparkiot_policies.rules import rule
from sparkiot_sim.recorded.play import Reality

REF = JobRef("iot", "pumps", "uid")


def replayed(time: float, new: Allocation, *, old: Allocation = FOUR, ref: JobRef = REF) -> Replayed:
    recorded = replace(look(time)[2], allocation=old)
    return Replayed(ref, recorded, replace(recorded, allocation=new, proposal=new))


def more(count: int) -> Allocation:
    return replace(FOUR, executors=FOUR.executors + count)


def test_differences_are_counted_by_kind() -> None:
    found = Differences(most=10)
    for n, new in enumerate([FOUR, more(3), more(-1), replace(more(1), tier=Tier.HOT), replace(FOUR, memory_mib=1024)]):
        found.add(replayed(10.0 * n, new))
    assert (found.decisions, found.different) == (5, 4)
    assert found.kinds == {"more executors": 2, "fewer executors": 1, "tier": 1, "memory": 1}


def test_the_largest_are_kept_in_the_order_of_time() -> None:
    found = Differences(most=3)
    for n, by in enumerate([1, 5, 2, 5, 3, 9, 1]):
        found.add(replayed(10.0 * n, more(by)))
    assert [r.replayed.allocation.executors - 4 for r in found.largest] == [5, 5, 9]
    none = Differences(most=0)
    none.add(replayed(0.0, more(1)))
    assert (none.largest, none.different) == ([], 1)


def test_a_decision_stands_until_the_jobs_next_one() -> None:
    """4 for an hour and 6 for half of one were recorded, 7 for all of it replayed; another job's count apart."""
    found = Differences(most=0)
    found.add(replayed(0.0, more(3)))
    found.add(replayed(1800.0, more(3), ref=JobRef("iot", "other", "uid")))
    found.add(replayed(3600.0, more(3), old=more(2)))
    found.add(replayed(5400.0, more(3), old=more(2)))
    assert (found.recorded_hours, found.replayed_hours) == (4 + 3, 10.5)


def records(hours: float) -> list[AuditRecord]:
    return [AuditRecord(REF, 1, *looked) for looked in simulated_looks(hours)]


def test_one_pass_for_all_policies_and_records_come_when_asked_for() -> None:
    log = records(0.5)
    comparison = Comparison({"Rate": rule("Rate"), "Fixed": rule("Fixed")}, fallback=rule("Rate"), meta=None, most=2)
    first = list(islice(comparison.read(iter(log)), 7))
    assert first == log[:7]
    assert [d.decisions for d in comparison.differences.values()] == [7, 7], "nothing is read ahead"
    assert comparison.differences["Rate"].different == 0
    assert list(comparison.courses) == ["iot/pumps"]


def test_the_model_of_a_job() -> None:
    course = course_of(simulated_looks(1.0))
    told: list[int] = []
    found = model(
        "iot/pumps",
        course,
        {"Fixed": rule("Fixed")},
        fallback=rule("Rate"),
        meta=None,
        preset="edge-small",
        report=told.append,
    )
    assert (found.looks, found.stretches, sum(told)) == (len(course), 1, len(course) - 1)
    assert found.doubts == []
    assert found.to_dict()["policies"]["Fixed"]["batches"] > 0


def test_a_job_that_cannot_be_modelled_says_why_and_stops_no_other() -> None:
    course = course_of([look(10.0 * n) for n in range(20)])
    found = model("a/b", course, {}, fallback=rule("Rate"), meta=None, preset="edge-small", report=lambda _: None)
    assert found.problem.startswith("0 looks have rate")
    assert found.to_dict()["reality"] is None


@pytest.mark.parametrize(
    ("off", "doubts"),
    [
        ({}, []),
        ({"modelled_in_time": 0.95}, ["looks in time: 99.0% were recorded, 95.0% modelled"]),
        ({"modelled_cost_dollars": 12.0}, ["cost: $10.00 were recorded, $12.00 modelled"]),
        ({"duration_error": 0.4}, ["batches: half of them take 40% more or less time in the model"]),
        ({"in_time": None, "cost_dollars": None, "duration_error": None}, []),
    ],
)
def test_doubts(off: dict[str, float | None], doubts: list[str]) -> None:
    values = {"in_time": 0.99, "modelled_in_time": 0.985, "cost_dollars": 10.0, "modelled_cost_dollars": 10.1}
    reality = Reality(**{**values, "duration_error": 0.1, "looks": 100, **off})
    assert Modelled(job=JOB.name, looks=100, stretches=1, played_s=1, span_s=1, reality=reality).doubts == doubts
