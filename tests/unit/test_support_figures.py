"""The figures that live tests print: from audit logs, by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

from support_cycles import cycle
from support_figures import CLOSE_S, ages, decision_to_request, request_to_registration, summary
from support_jobs import NOW

from sparkiot_operator.audit import AuditRecord
from sparkiot_operator.events import JobRef
from sparkiot_operator.pipeline.outcome import executor_requests


def event(
    verb: str, resource: str, at: str, *, user: str = "system:serviceaccount:live:city-driver", **ref: str
) -> str:
    about = {"resource": resource, "namespace": "live", **ref}
    return json.dumps({"verb": verb, "user": {"username": user}, "objectRef": about, "requestReceivedTimestamp": at})


def test_requests_for_pods_are_those_that_drivers_create(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    lines = [
        event("create", "pods", "1970-01-01T00:16:41.250000Z"),
        event("create", "pods", "1970-01-01T00:16:40.500000Z"),
        event("create", "pods", "1970-01-01T00:16:42.000000Z", subresource="eviction"),
        event("create", "configmaps", "1970-01-01T00:16:42.000000Z"),
        event("list", "pods", "1970-01-01T00:16:42.000000Z"),
        event("create", "pods", "1970-01-01T00:16:43.000000Z", user="system:serviceaccount:other:city-driver"),
    ]
    log.write_text("\n".join(lines) + "\n")
    assert executor_requests(log, "live") == [1000.5, 1001.25]


def record(proposed: int, **seen: float | None) -> AuditRecord:
    """A decision at NOW of a job with four executors."""
    turn = cycle(proposed, **seen)
    return AuditRecord(JobRef("live", "city", "uid-1"), 1, turn.job, turn.evaluation, turn.decision)


def test_a_decision_on_more_executors_is_paired_with_the_first_request_after_it() -> None:
    requests = [NOW - 1.0, NOW + 0.25, NOW + 0.3]
    assert decision_to_request([record(6)], requests) == [0.25]
    assert decision_to_request([record(4), record(2)], requests) == []
    assert decision_to_request([record(6)], [NOW + CLOSE_S + 1]) == []
    assert decision_to_request([record(6)], []) == []


def test_a_registration_is_told_once() -> None:
    told = (None, 3.5, 3.5, None, 7.0)
    assert request_to_registration([record(4, startup=seconds) for seconds in told]) == [3.5, 7.0]


def test_the_age_of_an_observation_counts_where_it_is_a_new_one() -> None:
    at_now = record(4).evaluation

    def seen(later: float, age: float) -> AuditRecord:
        found = record(4)
        return replace(found, evaluation=replace(at_now, now=NOW + later, age_s=age))

    # Nothing was seen yet; a look; the same one a cycle later, as while Spark restarts; another look.
    looks = [seen(0, math.inf), seen(10, 0.5), seen(20, 10.5), seen(30, 0.25)]
    assert ages(looks) == [0.5, 0.25]


def test_a_summary_tells_range_middle_and_count() -> None:
    assert summary([3.0, 1.0, 2.5]) == "1.00 to 3.00 s, median 2.50 s, of 3"
