"""Whether what a job's status says is what the operator does and what the simulated backend is. Pure.

A look at the API and one at the operator cannot be of the same moment, and on a machine that is short of processors the
operator needs a while to see an edit: what differs at one look is a suspicion, and only what still differs, at the same
job and in the same way, at every look of minutes is drift. What is compared with the
audit log is of one and the same cycle, and must be equal at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from sparkiot_operator.bench.figures import Look
from sparkiot_operator.times import parse_timestamp, precise_timestamp

from .jobs import ACCELERATION

Drift = tuple[str, str]
"""Job, and what is wrong with it."""
STATUS_LAG_S = STUCK_S = 60.0
"""Real seconds that a status may be behind, and without a cycle of a job: the status interval is 10 s, an interval
2.5 s. On a busy machine a cycle is late, and that is counted elsewhere; one that never comes is what this finds."""
DRIFT_S = 180.0
"""Seconds that a difference stands before it is drift."""
STARVED = 0.5
"""Share of the wanted decisions below which the machine does not let the operator keep up."""
CONDITIONS = frozenset({"Ready", "PolicyLoaded", "ObservationFresh", "ObjectiveMet", "ScalingLimited", "Degraded"})
"""What every running job has."""


class Suspicions:
    """What differed, since when. ``longest_s``: how long the one stood longest that was gone at a later look."""

    def __init__(self) -> None:
        self._since: dict[Drift, float] = {}
        self._told: set[Drift] = set()
        self.longest_s = 0.0

    def forget(self) -> None:
        """Where the machine does not let the operator keep up, being behind is no drift."""
        self._since.clear()
        self._told.clear()

    def take(self, found: Set[Drift], *, now: float) -> set[Drift]:
        """What became drift with this look; each is told once. now: seconds on a clock that only grows."""
        for drift in self._since.keys() - found:
            self.longest_s = max(self.longest_s, now - self._since.pop(drift))
            self._told.discard(drift)
        for drift in found:
            self._since.setdefault(drift, now)
        drifted = {drift for drift, since in self._since.items() if now - since >= DRIFT_S} - self._told
        self._told |= drifted
        return drifted


def differences(jobs: Iterable[Mapping[str, Any]], look: Look, *, now: float) -> set[Drift]:
    """Candidates. jobs: objects as the API lists them. look: the operator's metrics. now: epoch seconds."""
    phases = {s.labels["name"]: s.labels["phase"] for s in look.samples if s.name == "sparkiot_job_phase_info"}
    desired = {
        s.labels["name"]: int(s.value)
        for s in look.samples
        if s.name == "sparkiot_job_executors" and s.labels["state"] == "desired"
    }
    cycled = {s.labels["name"]: s.value for s in look.samples if s.name == "sparkiot_job_last_cycle_timestamp_seconds"}
    found: set[Drift] = set()
    names = set()
    for job in jobs:
        name = job["metadata"]["name"]
        names.add(name)
        status = job.get("status") or {}
        found.update((name, what) for what in _of_object(job, status, now))
        if phases.get(name) != status.get("phase"):
            found.add((name, "phase in the status is not the operator's"))
        if status.get("phase") == "Running":
            if desired.get(name) != (status.get("allocation") or {}).get("executors"):
                found.add((name, "executors in the status are not those that the operator wants"))
            if now - cycled.get(name, 0.0) > STUCK_S:
                found.add((name, "no decision for a minute"))
    found.update((name, "metrics of a job that is gone") for name in phases.keys() - names)
    if look.total("sparkiot_jobs") != len(names):
        found.add(("", "the operator runs another number of jobs than there are"))
    return found


def _of_object(job: Mapping[str, Any], status: Mapping[str, Any], now: float) -> Iterator[str]:
    generation = job["metadata"]["generation"]
    conditions = status.get("conditions") or []
    types = [condition["type"] for condition in conditions]
    ready = {c["type"]: c["status"] for c in conditions}.get("Ready")
    wanted = "Suspended" if job["spec"].get("suspend") else "Running"
    if status.get("phase") != wanted:
        yield f"phase is not {wanted}"
    if status.get("observedGeneration") != generation:
        yield "observedGeneration is not the generation"
    if len(types) != len(set(types)):
        yield "a condition stands there twice"
    if not all(condition.get("reason") and condition.get("message") for condition in conditions):
        yield "a condition without reason or message"
    if any(c["type"] == "Ready" and c.get("observedGeneration") != generation for c in conditions):
        yield "Ready is of another generation"
    if ready != {"Running": "True", "Suspended": "False"}.get(status.get("phase") or ""):
        yield "Ready contradicts the phase"
    if status.get("phase") == "Suspended" and status.get("replicas"):
        yield "suspended, and executors run"
    if status.get("phase") == "Running":
        if missing := CONDITIONS.difference(types):
            yield f"no condition {', '.join(sorted(missing))}"
        yield from _of_time(status, now)


def _of_time(status: Mapping[str, Any], now: float) -> Iterator[str]:
    """How old a running job's status is, by the job time that it names."""
    simulation = status.get("simulation")
    if simulation is None:
        yield "no simulation in the status"
        return
    origin, then = parse_timestamp(simulation["origin"]), parse_timestamp(simulation["time"])
    if (origin + (now - origin) * ACCELERATION - then) / ACCELERATION > STATUS_LAG_S:
        yield "the status is old"


def contradictions(jobs: Iterable[Mapping[str, Any]], audit: Iterable[Mapping[str, Any]]) -> tuple[int, set[Drift]]:
    """How many statuses were found in the audit log, as the cycle that they name, and where the two differ.

    audit: lines of the log as objects; the newest are enough.
    """
    cycles = {(line["uid"], precise_timestamp(line["decision"]["time"])): line for line in audit}
    compared, found = 0, set()
    for job in jobs:
        status = job.get("status") or {}
        time = (status.get("simulation") or {}).get("time")
        line = cycles.get((job["metadata"]["uid"], time))
        if line is None or status.get("phase") != "Running":
            continue
        compared += 1
        allocation = {key: status["allocation"].get(key) for key in ("executors", "tier", "compression")}
        decided = {key: line["decision"]["allocation"].get(key) for key in allocation}
        if allocation != decided:
            found.add((job["metadata"]["name"], f"status: {allocation}, decided: {decided}"))
        if (said := status.get("replicas")) != (ran := line["evaluation"]["running"]):
            found.add((job["metadata"]["name"], f"status: {said} executors run, measured: {ran}"))
    return compared, found
