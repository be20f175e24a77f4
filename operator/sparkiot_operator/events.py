"""Kubernetes events of a job: derived from what changed in its status, so that nothing repeats after a restart."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sparkiot_policies.decision import ClampCode, FallbackCode, Reason
from sparkiot_policies.promotion.verdict import VerdictCode

from .errors import ApiError
from .reasons import CanaryReason, EventReason, PromotionReason
from .resource import API_VERSION, KIND
from .resource.allocation import AllocationStatus
from .resource.status import Condition, ConditionType, Phase, SparkIoTJobStatus
from .times import precise_timestamp, timestamp

LOGGER = logging.getLogger(__name__)
COMPONENT = "sparkiot-operator"
MAX_MESSAGE = 1024
"""Bytes of an event's message that Kubernetes accepts."""


@dataclass(frozen=True, slots=True)
class JobRef:
    """Which object an event, a metric or an audit line speaks of."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. warning: type Warning instead of Normal."""

    reason: str
    message: str
    warning: bool = False


def events_between(old: SparkIoTJobStatus, new: SparkIoTJobStatus) -> list[Event]:
    """What is worth an event between two statuses of one job."""
    return [
        *_phase_events(old, new),
        *_allocation_events(old, new),
        *_memory_events(old, new),
        *_condition_events(old, new),
    ]


def _phase_events(old: SparkIoTJobStatus, new: SparkIoTJobStatus) -> Iterator[Event]:
    if new.phase == old.phase:
        return
    if new.phase is Phase.SUSPENDED:
        yield Event(EventReason.SUSPENDED, "the job was stopped by spec.suspend; its checkpoint is kept")
    elif new.phase is Phase.COMPLETED:
        yield Event(EventReason.COMPLETED, "the job came to its end")
    elif new.phase is Phase.RUNNING:
        yield (
            Event(EventReason.RESUMED, "the job goes on where it was suspended")
            if old.phase is Phase.SUSPENDED
            else Event(EventReason.STARTED, "the job runs")
        )
    elif new.phase is Phase.FAILED and (failure := new.driver.last_failure if new.driver else None):
        yield Event(EventReason.GAVE_UP, f"the job is not started again: {failure.message}", warning=True)


def _allocation_events(old: SparkIoTJobStatus, new: SparkIoTJobStatus) -> Iterator[Event]:
    before, after = old.allocation, new.allocation
    if before is None or after is None or _same(before, after) or new.decision is None:
        return
    yield Event(_allocation_reason(before, after, new.decision.reason), new.decision.message)


def _same(before: AllocationStatus, after: AllocationStatus) -> bool:
    """A generation alone, as after a write that failed, changes nothing."""
    return before.model_dump(exclude={"generation"}) == after.model_dump(exclude={"generation"})


def _memory_events(old: SparkIoTJobStatus, new: SparkIoTJobStatus) -> Iterator[Event]:
    if new.memory_floor is not None and new.memory_floor != old.memory_floor:
        message = f"an executor ran out of memory; from now on each gets at least {new.memory_floor}"
        yield Event(EventReason.MEMORY_FLOOR_RAISED, message, warning=True)


def _allocation_reason(before: AllocationStatus, after: AllocationStatus, decided: str) -> str:
    if after.executors > before.executors:
        return EventReason.BURST_AHEAD if decided == Reason.BURST_AHEAD else EventReason.SCALED_UP
    return EventReason.SCALED_DOWN if after.executors < before.executors else EventReason.ALLOCATION_CHANGED


def _condition_events(old: SparkIoTJobStatus, new: SparkIoTJobStatus) -> Iterator[Event]:
    known = {c.type: c for c in old.conditions}
    for condition in new.conditions:
        before = known.get(condition.type)
        if before is None or (before.status, before.reason) != (condition.status, condition.reason):
            yield from _condition_event(before, condition)


def _condition_event(before: Condition | None, after: Condition) -> Iterator[Event]:
    was, now = before.status if before else None, after.status
    match ConditionType(after.type):
        case ConditionType.POLICY_LOADED:
            yield Event(
                EventReason.POLICY_LOADED if now == "True" else EventReason.POLICY_FAILED,
                after.message,
                warning=now != "True",
            )
        case ConditionType.OBSERVATION_FRESH:
            yield from _observation_event(was, after)
        case ConditionType.SHUFFLE_TIERS_READY:
            yield from _turned(
                was,
                after,
                EventReason.SHUFFLE_TIER_FAILED,
                EventReason.SHUFFLE_TIERS_RECOVERED,
                "every shuffle tier works again",
            )
        case ConditionType.SCALING_LIMITED if after.reason == ClampCode.QUOTA:
            yield Event(EventReason.QUOTA_REACHED, after.message, warning=True)
        case ConditionType.DEGRADED:
            if now == "True":
                yield Event(_degraded_reason(after.reason), after.message, warning=True)
            elif was == "True" and before is not None:
                yield Event(_recovered_reason(before.reason), "the job is as expected again")
        case ConditionType.PROMOTED:
            yield from _promotion_event(was, after)
        case ConditionType.CANARY_HEALTHY if (reason := CANARY_EVENTS.get(after.reason)) is not None:
            yield Event(reason, after.message, warning=now == "False")
        case ConditionType.SIGNAL_FRESH:
            yield from _turned(was, after, after.reason, EventReason.SIGNAL_FRESH, "burst signals arrive again")
        case ConditionType.READY if now == "False" and after.reason not in SILENT:
            yield Event(after.reason, after.message, warning=after.reason not in EXPECTED)


def _observation_event(was: str | None, after: Condition) -> Iterator[Event]:
    if (was, after.status) == ("True", "False"):
        yield Event(EventReason.OBSERVATION_STALE, after.message, warning=True)
    elif (was, after.status) == ("False", "True"):
        yield Event(EventReason.OBSERVATION_FRESH, "measurements arrive again")


def _promotion_event(was: str | None, after: Condition) -> Iterator[Event]:
    if after.status == "True":
        yield Event(EventReason.PROMOTED, after.message)
    elif after.reason == PromotionReason.DEMOTED:
        yield Event(EventReason.DEMOTED, after.message, warning=True)
    elif was == "True" and after.status == "False":
        yield Event(EventReason.BACK_IN_SHADOW, after.message)
    elif after.reason == VerdictCode.BETTER:
        yield Event(EventReason.READY_FOR_PROMOTION, after.message)


def _turned(was: str | None, after: Condition, failed: str, recovered: str, message: str) -> Iterator[Event]:
    """Of a condition that is False or True: that it fails, and that it no longer does. failed, recovered: reasons."""
    if after.status == "False":
        yield Event(failed, after.message, warning=True)
    elif after.status == "True" and was == "False":
        yield Event(recovered, message)


CANARY_EVENTS: Mapping[str, EventReason] = {
    CanaryReason.TRIAL: EventReason.CANARY_STARTED,
    CanaryReason.PASSED: EventReason.CANARY_PASSED,
    CanaryReason.WITHDRAWN: EventReason.CANARY_WITHDRAWN,
}
"""What a job does in a canary, where that is worth an event."""
SILENT = frozenset({"Suspended", "Completed", "Starting", "DriverStarting", "Stopping"})
"""Reasons of not being ready that the phase already tells, or that last a moment."""
EXPECTED = frozenset({"SpecChanged", "Restarting"})
"""Reasons of not being ready that somebody asked for."""
FALLBACKS = frozenset(FallbackCode)
"""Reasons of Degraded that mean that the fallback rule acts."""


def _degraded_reason(reason: str) -> str:
    return EventReason.FALLBACK_ACTIVE if reason in FALLBACKS else reason


def _recovered_reason(reason: str) -> str:
    return EventReason.FALLBACK_ENDED if reason in FALLBACKS else EventReason.RECOVERED


class EventRecorder:
    """Writes events of one job, at most one of a reason every ``interval_s`` seconds; those between are counted."""

    def __init__(
        self, ref: JobRef, *, create: Callable[[str, Mapping[str, Any]], Awaitable[None]], interval_s: float
    ) -> None:
        self._ref = ref
        self._create = create
        self._interval_s = interval_s
        self._sent: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def clock_was_set(self) -> None:
        """Forget when anything was sent: those times mean nothing any more."""
        self._sent.clear()

    async def record(self, event: Event, *, now: float) -> None:
        """now: real time, epoch seconds. A failing API server costs the event, never the cycle."""
        last = self._sent.get(event.reason)
        if last is not None and now - last < self._interval_s:
            self._held[event.reason] = self._held.get(event.reason, 0) + 1
            return
        self._sent[event.reason] = now
        held = self._held.pop(event.reason, 0)
        try:
            await self._create(self._ref.namespace, build_event(self._ref, event, held=held, now=now))
        except ApiError as error:
            LOGGER.warning("event %s on %s was lost: %s", event.reason, self._ref, error)


def build_event(ref: JobRef, event: Event, *, held: int, now: float) -> dict[str, Any]:
    """The manifest of a core/v1 Event. held: events of the same reason that were left out since the last one."""
    rest = f" (and {held} more since the last event)" if held else ""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{ref.name}.", "namespace": ref.namespace},
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "message": shortened(event.message, MAX_MESSAGE - len(rest)) + rest,
        "action": event.reason,
        "count": held + 1,
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": ref.uid,
        },
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": COMPONENT,
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "eventTime": precise_timestamp(now)[:-1] + "000Z",
    }


def shortened(text: str, most: int) -> str:
    """At most so many bytes of UTF-8 of a text, whole characters, with an ellipsis where something is left out."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    return encoded[: most - len("…".encode())].decode(errors="ignore") + "…"
