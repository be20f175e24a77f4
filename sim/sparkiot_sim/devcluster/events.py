"""Events are one set of objects with two faces: `v1` (stored) and `events.k8s.io/v1` (a view of the same)."""

from typing import Any

from sparkiot_sim.devcluster.errors import Obj

_CORE_TO_EVENTS_V1 = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_EVENTS_V1_TO_CORE = {new: old for old, new in _CORE_TO_EVENTS_V1.items()}


def to_events_v1(core: Obj) -> Obj:
    return {_CORE_TO_EVENTS_V1.get(key, key): value for key, value in core.items()} | {"apiVersion": "events.k8s.io/v1"}


def to_core_v1(event: Obj) -> Obj:
    return {_EVENTS_V1_TO_CORE.get(key, key): value for key, value in event.items()} | {"apiVersion": "v1"}


def last_seen(event: Obj) -> Any:
    times = (event.get("lastTimestamp"), event.get("deprecatedLastTimestamp"), event.get("eventTime"))
    return next(filter(None, times), event["metadata"].get("creationTimestamp"))


def subject(event: Obj) -> str:
    about = event.get("involvedObject") or event.get("regarding") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def message(event: Obj) -> str:
    return str(event.get("message") or event.get("note") or "").strip()
