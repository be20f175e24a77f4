"""Events: only for changes, said once, at a bounded rate."""

from collections.abc import Mapping
from typing import Any

import pytest

from sparkiot_operator.errors import ApiUnreachableError
from sparkiot_operator.events import MAX_MESSAGE, Event, EventRecorder, JobRef, build_event, events_between
from sparkiot_operator.resource.status import (
    Condition,
    DecisionStatus,
    DesiredStatus,
    Phase,
    PolicyStatus,
    SparkIoTJobStatus,
)
from sparkiot_policies.allocation import Compression, Tier

REF = JobRef("iot", "city", "uid-1")
NOW = 1_700_000_000.0


def status(
    executors: int = 4, *, phase: Phase = Phase.RUNNING, reason: str = "LoadRising", **conditions: tuple[str, str]
) -> SparkIoTJobStatus:
    """Conditions by type as (status, reason)."""
    return SparkIoTJobStatus(
        phase=phase,
        allocation=DesiredStatus(executors=executors, memory="2Gi", tier=Tier.WARM, compression=Compression.LZ4),
        decision=DecisionStatus(
            time="2026-01-01T00:00:00Z",
            reason=reason,
            message="why",
            policy=PolicyStatus(name="Rate", digest="builtin"),
        ),
        conditions=[
            Condition(type=kind, status=value, reason=why, message="text", last_transition_time="2026-01-01T00:00:00Z")
            for kind, (value, why) in conditions.items()
        ],
    )


def reasons(old: SparkIoTJobStatus, new: SparkIoTJobStatus) -> list[str]:
    return [event.reason for event in events_between(old, new)]


def test_nothing_changed_nothing_said() -> None:
    same = status(Ready=("True", "Running"), Degraded=("False", "AsExpected"))
    assert reasons(same, same) == []


@pytest.mark.parametrize(
    ("executors", "reason", "event"),
    [
        (6, "LoadRising", "ScaledUp"),
        (6, "BurstAhead", "BurstAhead"),
        (2, "LoadFalling", "ScaledDown"),
        (2, "BurstAhead", "ScaledDown"),
    ],
)
def test_scalings(executors: int, reason: str, event: str) -> None:
    (found,) = events_between(status(4), status(executors, reason=reason))
    assert found == Event(event, "why")


def test_another_tier_is_a_change_of_the_allocation() -> None:
    old = status()
    assert old.allocation is not None
    new = old.model_copy(update={"allocation": old.allocation.model_copy(update={"tier": Tier.HOT})})
    assert reasons(old, new) == ["AllocationChanged"]


def test_the_first_status_starts_the_job_but_scales_nothing() -> None:
    new = status(Ready=("True", "Running"), PolicyLoaded=("True", "Loaded"), Degraded=("False", "AsExpected"))
    assert reasons(SparkIoTJobStatus(), new) == ["Started", "PolicyLoaded"]


def test_suspend_and_resume() -> None:
    running, suspended = status(Ready=("True", "Running")), status(phase=Phase.SUSPENDED, Ready=("False", "Suspended"))
    assert reasons(running, suspended) == ["Suspended"]
    assert reasons(suspended, running) == ["Resumed"]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "down", "up"),
    [
        ("PolicyLoaded", ("True", "Loaded"), ("False", "PolicyFailed"), "PolicyFailed", "PolicyLoaded"),
        ("Degraded", ("False", "AsExpected"), ("True", "OutOfDistribution"), "FallbackActive", "FallbackEnded"),
        ("Degraded", ("False", "AsExpected"), ("True", "CycleFailed"), "CycleFailed", "Recovered"),
        ("ObservationFresh", ("True", "Observed"), ("False", "Stale"), "ObservationStale", "ObservationFresh"),
    ],
)  # fmt: skip
def test_health_goes_and_comes_back(kind: str, good: tuple[str, str], bad: tuple[str, str], down: str, up: str) -> None:
    healthy, ill = status(**{kind: good}), status(**{kind: bad})
    (warning,) = events_between(healthy, ill)
    assert (warning.reason, warning.warning) == (down, True)
    (recovery,) = events_between(ill, healthy)
    assert (recovery.reason, recovery.warning) == (up, False)


def test_a_job_that_cannot_run_is_a_warning_with_the_reason() -> None:
    (event,) = events_between(status(), status(Ready=("False", "InvalidSpec")))
    assert event == Event("InvalidSpec", "text", warning=True)


class Sink:
    """Collects what is created; raises once ``broken`` is set."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.broken = False

    async def create(self, namespace: str, event: Mapping[str, Any]) -> None:
        if self.broken:
            raise ApiUnreachableError("POST: no answer")
        assert namespace == REF.namespace
        self.events.append(event)


def test_a_quota_that_limits_is_said_once_and_other_bounds_never() -> None:
    free = status(ScalingLimited=("False", "WithinBounds"))
    stepped, full = status(ScalingLimited=("True", "MaxStepUp")), status(ScalingLimited=("True", "Quota"))
    assert reasons(free, full) == reasons(stepped, full) == ["QuotaReached"]
    assert events_between(free, full)[0].warning
    assert reasons(full, full) == reasons(full, free) == reasons(free, stepped) == []


def test_executors_that_have_to_end_are_said_and_that_they_are_replaced() -> None:
    calm, drained = status(Degraded=("False", "AsExpected")), status(Degraded=("True", "ExecutorsEnding"))
    assert reasons(calm, drained) == ["ExecutorsEnding"]
    assert reasons(drained, calm) == ["Recovered"]


async def test_events_of_one_reason_are_limited_and_counted() -> None:
    sink = Sink()
    recorder = EventRecorder(REF, create=sink.create, interval_s=60)
    for second in range(0, 60, 10):
        await recorder.record(Event("ScaledUp", f"at {second}"), now=NOW + second)
    await recorder.record(Event("ScaledDown", "other"), now=NOW + 30)
    assert [e["message"] for e in sink.events] == ["at 0", "other"]
    await recorder.record(Event("ScaledUp", "later"), now=NOW + 61)
    assert sink.events[-1]["message"] == "later (and 5 more since the last event)"
    assert sink.events[-1]["count"] == 6


async def test_a_lost_event_does_not_disturb_the_job() -> None:
    sink = Sink()
    sink.broken = True
    await EventRecorder(REF, create=sink.create, interval_s=60).record(Event("Started", "x"), now=NOW)
    assert sink.events == []


@pytest.mark.parametrize("letter", ["x", "é", "→", "🔥"])
def test_a_long_message_is_cut_to_what_kubernetes_takes_and_says_still_how_many_were_held(letter: str) -> None:
    message = build_event(REF, Event("ScaledUp", letter * 2000), held=7, now=NOW)["message"]
    assert MAX_MESSAGE - 4 < len(message.encode()) <= MAX_MESSAGE
    assert message.endswith("… (and 7 more since the last event)")
    assert set(message.split("…")[0]) == {letter}, "no character is cut in two"


def test_the_manifest() -> None:
    event = build_event(REF, Event("ScaledUp", "x" * 2000, warning=False), held=0, now=NOW)
    assert len(event["message"].encode()) == MAX_MESSAGE, "Kubernetes counts bytes, and the ellipsis has three"
    assert event == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "city.", "namespace": "iot"},
        "type": "Normal",
        "reason": "ScaledUp",
        "message": event["message"],
        "action": "ScaledUp",
        "count": 1,
        "involvedObject": {
            "apiVersion": "sparkiot.dev/v1alpha1",
            "kind": "SparkIoTJob",
            "namespace": "iot",
            "name": "city",
            "uid": "uid-1",
        },
        "source": {"component": "sparkiot-operator"},
        "reportingComponent": "sparkiot-operator",
        "reportingInstance": "sparkiot-operator",
        "firstTimestamp": "2023-11-14T22:13:20Z",
        "lastTimestamp": "2023-11-14T22:13:20Z",
        "eventTime": "2023-11-14T22:13:20.000000Z",
    }
