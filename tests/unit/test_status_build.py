"""Status: what is built from a cycle, when it is written, and as which patch."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_cycles import cycle
from support_jobs import NOW, allocation, evaluation, job, measurement

from sparkiot_operator.conditions import (
    Finding,
    build_conditions,
    degraded_finding,
    limited_finding,
    objective_finding,
)
from sparkiot_operator.errors import ApiUnreachableError
from sparkiot_operator.events import EventRecorder, JobRef
from sparkiot_operator.publish import RETRY_S, StatusPublisher
from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.status import ConditionType, Phase, SparkIoTJobStatus
from sparkiot_operator.status import Cycle, build_status, is_urgent, merge_patch, to_json
from sparkiot_operator.times import format_seconds, parse_timestamp, precise_timestamp, timestamp

REAL = 1_700_000_000.0
READY = Finding(ConditionType.READY, True, "Running", "the job runs")
NOT_READY = Finding(ConditionType.READY, False, "ObservationStale", "no measurement")


def built(
    previous: SparkIoTJobStatus | None = None,
    *findings: Finding,
    of: Cycle | None = None,
    phase: Phase = Phase.RUNNING,
    now: float = REAL,
) -> SparkIoTJobStatus:
    return build_status(
        previous=previous or SparkIoTJobStatus(),
        phase=phase,
        generation=3,
        findings=findings or (READY,),
        cycle=of,
        now=now,
    )


def test_the_whole_status_of_a_cycle() -> None:
    assert to_json(built(of=cycle())) == {
        "phase": "Running",
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Running",
                "message": "the job runs",
                "lastTransitionTime": "2023-11-14T22:13:20Z",
                "observedGeneration": 3,
            }
        ],
        "replicas": 4,
        "allocation": {"generation": 7, "executors": 6, "memory": "2Gi", "tier": "Warm", "compression": "LZ4"},
        "recommended": {"executors": 6, "memory": "2Gi", "tier": "Warm", "compression": "LZ4"},
        "decision": {
            "time": "1970-01-12T13:46:40Z",
            "reason": "LoadRising",
            "clamps": [],
            "message": "Scripted: executors 4 -> 6 (LoadRising)",
            "policy": {"name": "Scripted", "digest": "builtin"},
        },
        "slo": {"attainment": "0.999", "window": "1h"},
        "latency": {"observed": "850ms", "target": "1s"},
        "backlog": 200,
        "costPerHour": "0.80",
    }


def test_what_nobody_measured_is_absent_and_not_zero() -> None:
    blind = replace(cycle(), measurement=replace(measurement(NOW), running=None, backlog=None, cost_per_hour=None))
    status = to_json(built(of=blind))
    assert not {"replicas", "backlog", "costPerHour"} & status.keys()


def test_an_unobserved_cycle_keeps_the_last_numbers() -> None:
    before = built(of=cycle())
    after = built(before, NOT_READY, of=replace(cycle(), measurement=None, observe_error="timeout"))
    assert (after.replicas, after.latency, after.slo) == (before.replicas, before.latency, before.slo)


def test_a_steady_decision_keeps_the_last_one_that_changed_something() -> None:
    before = built(of=cycle(6))
    after = built(before, of=cycle(4))
    assert after.decision == before.decision


@pytest.mark.parametrize("phase", [Phase.SUSPENDED, Phase.COMPLETED])
def test_a_stopped_job_runs_and_costs_nothing(phase: Phase) -> None:
    status = built(built(of=cycle()), phase=phase)
    assert (status.replicas, status.cost_per_hour, status.latency) == (0, "0.00", None)
    assert status.allocation is not None


def test_the_transition_time_moves_only_with_the_status() -> None:
    first = build_conditions([], [READY], generation=1, now=REAL)
    same = build_conditions(first, [replace(READY, message="other words")], generation=2, now=REAL + 60)
    assert same[0].last_transition_time == first[0].last_transition_time
    assert (same[0].message, same[0].observed_generation) == ("other words", 2)
    (changed,) = build_conditions(same, [NOT_READY], generation=2, now=REAL + 120)
    assert changed.last_transition_time == timestamp(REAL + 120)


def test_conditions_that_nobody_spoke_of_stay_and_the_order_is_fixed() -> None:
    unknown = Finding(ConditionType.DEGRADED, None, "X", "nobody knows")
    both = build_conditions([], [unknown, READY], generation=1, now=REAL)
    assert [(c.type, c.status) for c in both] == [("Ready", "True"), ("Degraded", "Unknown")]
    assert build_conditions(both, [NOT_READY], generation=1, now=REAL)[1] == both[1]


def test_the_objective_is_unknown_before_the_first_batch() -> None:
    assert objective_finding(job(), evaluation(attainment=None)).status is None
    assert objective_finding(job(), evaluation(attainment=0.9)).status is False
    assert objective_finding(job(), evaluation(attainment=0.95)).status is True


def test_clamps_limit_scaling_by_code() -> None:
    finding = limited_finding(cycle(50).decision)
    assert (finding.status, finding.reason) == (True, "MaxExecutors")
    assert "MaxStepUp" in finding.message
    assert limited_finding(cycle(4).decision).status is False


def test_a_bound_outside_of_the_resource_is_the_reason_whatever_else_limits() -> None:
    finding = limited_finding(cycle(50, quota_executors=9).decision)
    assert (finding.status, finding.reason) == (True, "Quota")
    assert finding.message == (
        "MaxExecutors: executors 50 -> 20: the maximum is 20; "
        "MaxStepUp: executors 20 -> 14: one step up from 4 is at most 4 times and 10 more; "
        "Quota: executors 14 -> 9: the namespace's quota has room for 9"
    )
    assert limited_finding(cycle(50, unschedulable=1).decision).reason == "Unschedulable"


def test_executors_that_have_to_end_degrade_a_job() -> None:
    seen = cycle(4, leaving=2)
    finding = degraded_finding(seen.decision, seen.evaluation)
    assert (finding.status, finding.reason) == (True, "ExecutorsEnding")
    assert finding.message.startswith("2 executors have to end")
    calm = cycle(4)
    assert degraded_finding(calm.decision, calm.evaluation).status is False


@pytest.mark.parametrize(
    ("changes", "urgent"),
    [
        ({"replicas": 9, "cost_per_hour": "7.00", "backlog": 1}, False),
        ({"latency": None, "slo": None, "recommended": None}, False),
        ({"phase": Phase.SUSPENDED}, True),
        ({"allocation": None}, True),
        ({"observed_generation": 4}, True),
        ({"conditions": []}, True),
    ],
)
def test_what_is_written_at_once(changes: dict[str, Any], urgent: bool) -> None:
    status = built(of=cycle())
    assert is_urgent(status, status.model_copy(update=changes)) is urgent


JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386, as an API server does it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


@given(OBJECT, OBJECT)
def test_the_patch_leads_from_old_to_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = merge_patch(old, new)
    assert merge(old, patch) == new
    assert (patch == {}) == (old == new)


@given(st.floats(0.001, 1e6))
def test_durations_are_written_as_the_spec_accepts_them(value: float) -> None:
    assert seconds(format_seconds(value)) == pytest.approx(value, rel=0.006)


@given(st.floats(0, 4e9))
def test_times_come_back(value: float) -> None:
    assert parse_timestamp(precise_timestamp(value)) == pytest.approx(value, abs=0.0011)
    assert parse_timestamp(timestamp(value)) == pytest.approx(value, abs=1.0)


class Server:
    """A status as an API server keeps it; refuses while ``away``."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {}
        self.writes = 0
        self.events: list[str] = []
        self.away = False

    async def patch(self, changes: dict[str, Any]) -> None:
        if self.away:
            raise ApiUnreachableError("PATCH: no answer")
        self.status = merge(self.status, changes)
        self.writes += 1

    async def event(self, namespace: str, event: Any) -> None:
        self.events.append(event["reason"])

    def publisher(self, interval_s: float = 10) -> StatusPublisher:
        events = EventRecorder(JobRef("iot", "city", "u"), create=self.event, interval_s=0)
        return StatusPublisher(self.status, patch=self.patch, events=events, interval_s=interval_s)


async def test_measurements_wait_and_changes_do_not() -> None:
    server = Server()
    publisher = server.publisher()
    first = built(of=cycle())
    assert await publisher.publish(first, now=REAL)
    measured = first.model_copy(update={"backlog": 7})
    assert not await publisher.publish(measured, now=REAL + 9)
    assert not await publisher.publish(first, now=REAL + 10)
    assert await publisher.publish(measured, now=REAL + 11)
    assert server.status["backlog"] == 7
    assert await publisher.publish(built(measured, NOT_READY), now=REAL + 11.1)
    assert server.writes == 3
    assert server.status == to_json(publisher.published)


async def test_a_status_that_did_not_change_is_never_written_again() -> None:
    server = Server()
    publisher = server.publisher(interval_s=0)
    status = built(of=cycle())
    for second in range(5):
        await publisher.publish(status, now=REAL + second)
    assert server.writes == 1
    # Nor by the operator after it.
    assert not await server.publisher(interval_s=0).publish(status, now=REAL + 100)
    assert server.writes == 1


async def test_during_an_outage_only_what_must_be_known_is_tried_again_at_once() -> None:
    server = Server()
    publisher = server.publisher()
    running = built(of=cycle())
    await publisher.publish(running, now=REAL)
    server.away = True
    stale = built(running, NOT_READY)
    with pytest.raises(ApiUnreachableError):
        await publisher.publish(stale, now=REAL + 1)
    assert not await publisher.publish(stale, now=REAL + 1 + RETRY_S / 2)
    with pytest.raises(ApiUnreachableError):
        await publisher.publish(built(running, of=cycle(5, current=allocation(6))), now=REAL + 1 + RETRY_S / 2)
    server.away = False
    assert await publisher.publish(stale, now=REAL + 10)
    assert server.status == to_json(stale)


async def test_a_status_of_another_version_is_replaced_and_foreign_fields_are_left_alone() -> None:
    server = Server()
    server.status = {"phase": "Dancing", "kopf": {"progress": 1}}
    publisher = server.publisher()
    assert publisher.published == SparkIoTJobStatus()
    await publisher.publish(built(of=cycle()), now=REAL)
    assert server.status["phase"] == "Running"
    assert server.status["kopf"] == {"progress": 1}
