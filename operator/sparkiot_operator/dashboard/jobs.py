"""A job as the page shows it, read from its resource without trusting it: what is absent or odd is missing.

The page may look at a cluster whose operator is of another version, so nothing here refuses an unknown field.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkiot_operator.events import FALLBACKS, JobRef
from sparkiot_operator.resource.base import seconds
from sparkiot_operator.times import parse_timestamp

Json = Mapping[str, Any]
WANTED = {
    "Ready": "True",
    "PolicyLoaded": "True",
    "ObservationFresh": "True",
    "ObjectiveMet": "True",
    "ShuffleTiersReady": "True",
    "SignalFresh": "True",
    "Degraded": "False",
}
"""What each condition is while all is well. ScalingLimited is neither good nor bad."""
DEFAULT_RULE = "Rate"
"""What a spec that names no fallback falls back on."""
QUIET = frozenset({"Suspended", "Completed"})
"""Phases in which nothing runs because somebody wants it so."""


@dataclass(frozen=True, slots=True)
class Condition:
    """trouble: it is the opposite of what it should be; None where nobody knows, or where neither is bad."""

    type: str
    status: str
    reason: str
    message: str
    since: float | None
    trouble: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDecision:
    """The last one that changed anything, as the status has it. time: job time, epoch seconds."""

    time: float | None
    reason: str
    message: str
    policy: str | None
    digest: str | None
    fallback: str | None
    clamps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """None is missing. Times: epoch seconds. cost: $/h. attainment, quantile: shares. applied, recommended: as text.

    least, most: executors that the spec allows. now: job time of the newest numbers. more: what only some jobs have, as
    name and text.
    """

    ref: JobRef
    phase: str | None
    mode: str | None
    backend: str | None
    scenario: str | None
    policy: str | None
    rule: str
    least: int | None
    most: int | None
    budget: float | None
    quantile: float | None
    running: int | None
    wanted: int | None
    allocation: str | None
    memory: str | None
    tier: str | None
    applied: str | None
    recommended: str | None
    backlog: float | None
    cost: float | None
    latency_s: float | None
    target_s: float | None
    attainment: float | None
    window: str | None
    decision: LastDecision | None
    conditions: tuple[Condition, ...]
    edited: bool
    now: float | None
    more: tuple[tuple[str, str], ...]

    @property
    def troubles(self) -> tuple[Condition, ...]:
        return () if self.phase in QUIET else tuple(c for c in self.conditions if c.trouble)

    @property
    def fallback(self) -> str | None:
        """Why the rule acts for the policy now, if it does."""
        return next((c.reason for c in self.troubles if c.type == "Degraded" and c.reason in FALLBACKS), None)

    @property
    def severity(self) -> int:
        """For sorting: 0 failed, 1 in trouble, 2 not running yet, 3 as it should be, 4 at rest."""
        if self.phase == "Failed":
            return 0
        if self.troubles:
            return 1
        return 3 if self.phase == "Running" else 4 if self.phase in QUIET else 2


def view(resource: Json) -> JobView:
    """The job of one SparkIoTJob object."""
    meta, spec, status = (_section(resource, key) for key in ("metadata", "spec", "status"))
    scaling, objectives, policy = (_section(spec, key) for key in ("scaling", "objectives", "policy"))
    executors, wanted = _section(scaling, "executors"), _section(status, "allocation")
    latency, slo, simulation = (_section(status, key) for key in ("latency", "slo", "simulation"))
    goal = _section(objectives, "latency")
    backend = _text(spec.get("backend"))
    return JobView(
        ref=JobRef(*(_text(meta.get(key)) or "" for key in ("namespace", "name", "uid"))),
        phase=_text(status.get("phase")),
        mode=_text(scaling.get("mode")),
        backend=backend or ("Simulated" if simulation else "Spark" if _section(status, "driver") else None),
        scenario=_text(objectives.get("scenario")),
        policy=_text(policy.get("name")),
        rule=_text(policy.get("fallback")) or DEFAULT_RULE,
        least=_whole(executors.get("min")),
        most=_whole(executors.get("max")),
        budget=_number(objectives.get("budgetPerHour")),
        quantile=_number(goal.get("quantile")),
        running=_whole(status.get("replicas")),
        wanted=_whole(wanted.get("executors")),
        allocation=_allocation(wanted),
        memory=_text(wanted.get("memory")),
        tier=_text(wanted.get("tier")),
        applied=_allocation(_section(status, "applied")),
        recommended=_allocation(_section(status, "recommended")),
        backlog=_number(status.get("backlog")),
        cost=_number(status.get("costPerHour")),
        latency_s=_seconds(latency.get("observed")),
        target_s=_seconds(latency.get("target")) or _seconds(goal.get("target")),
        attainment=_number(slo.get("attainment")),
        window=_text(slo.get("window")),
        decision=_decision(_section(status, "decision")),
        conditions=tuple(_condition(c) for c in _list(status.get("conditions"))),
        edited=_whole(meta.get("generation")) != _whole(status.get("observedGeneration")),
        now=_time(simulation.get("time")),
        more=tuple(_more(status)),
    )


def _more(status: Json) -> Iterator[tuple[str, str]]:
    """What there is to say of a driver, of the tiered shuffle and of burst signals."""
    driver, shuffle, signal = (_section(status, key) for key in ("driver", "shuffle", "signal"))
    failure = _section(driver, "lastFailure")
    for name, value in (
        ("Driver pod", driver.get("pod")),
        ("Spark", driver.get("sparkVersion")),
        ("Driver restarts", driver.get("restarts")),
        ("Last failure", failure.get("reason")),
        ("Restart cost", driver.get("restartCost")),
        ("Least memory after running out", status.get("memoryFloor")),
        ("Shuffle tier used", shuffle.get("tier")),
        ("Shuffle ratio, stored by raw", shuffle.get("ratio")),
        ("Burst signals from", signal.get("source")),
        ("Burst signals believed", signal.get("accepted")),
    ):
        text = _text(value)
        if text is not None:
            yield name, text


def _decision(found: Json) -> LastDecision | None:
    if not found:
        return None
    policy = _section(found, "policy")
    return LastDecision(
        time=_time(found.get("time")),
        reason=_text(found.get("reason")) or "",
        message=_text(found.get("message")) or "",
        policy=_text(policy.get("name")),
        digest=_text(policy.get("digest")),
        fallback=_text(found.get("fallback")),
        clamps=tuple(str(code) for code in _sequence(found.get("clamps"))),
    )


def _condition(found: Json) -> Condition:
    kind, status = _text(found.get("type")) or "", _text(found.get("status")) or "Unknown"
    wanted = WANTED.get(kind)
    return Condition(
        type=kind,
        status=status,
        reason=_text(found.get("reason")) or "",
        message=_text(found.get("message")) or "",
        since=_time(found.get("lastTransitionTime")),
        trouble=None if wanted is None or status not in ("True", "False") else status != wanted,
    )


def _allocation(found: Json) -> str | None:
    """As ``Allocation`` writes itself: ``6 × 2Gi, Warm, LZ4``."""
    parts = [_text(found.get(key)) for key in ("executors", "memory", "tier", "compression")]
    if None in parts:
        return None
    return "{} × {}, {}, {}".format(*parts)


def _section(found: Json, key: str) -> Json:
    value = found.get(key)
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _list(value: object) -> list[Json]:
    return [item for item in _sequence(value) if isinstance(item, Mapping)]


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    """Also of a decimal in text, as Kubernetes' API writes it."""
    try:
        return float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    try:
        return seconds(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _time(value: object) -> float | None:
    try:
        return parse_timestamp(value) if isinstance(value, str) else None
    except ValueError:
        return None
