"""Jobs for tests of the page: played by the simulator, as an operator would have recorded and published them."""

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support_cycles import RUNNING

from sparkiot_operator.audit import AuditRecord
from sparkiot_operator.conditions import (
    Finding,
    degraded_finding,
    limited_finding,
    objective_finding,
    observation_finding,
    ready,
)
from sparkiot_operator.dashboard.board import Board, History
from sparkiot_operator.dashboard.samples import Timelines
from sparkiot_operator.errors import ApiError
from sparkiot_operator.events import JobRef
from sparkiot_operator.offline import load_job, load_workload, play
from sparkiot_operator.reasons import PolicyReason
from sparkiot_operator.resource.status import ConditionType, Phase, SparkIoTJobStatus
from sparkiot_operator.status import Cycle, build_status, to_json
from sparkiot_policies.measurement import Measurement
from sparkiot_policies.rules import rule

Json = dict[str, Any]
EXAMPLES = Path(__file__).parents[1] / "operator" / "sparkiot_operator" / "examples"
ORIGIN = 1_700_000_000.0 + 2 * 3600
HOSTILE = '<script>alert("x")</script>&amp;"\'><img src=x onerror=alert(1)>'
"""What nobody should be able to put into a page, in every text that comes from a cluster."""


@dataclass(frozen=True)
class Played:
    """resource: as the API server has it after the last record."""

    resource: Json
    records: tuple[AuditRecord, ...]

    @property
    def ref(self) -> JobRef:
        meta = self.resource["metadata"]
        return JobRef(meta["namespace"], meta["name"], meta["uid"])

    def renamed(self, namespace: str, name: str, uid: str) -> "Played":
        """The same under another name."""
        meta = {**self.resource["metadata"], "namespace": namespace, "name": name, "uid": uid}
        ref = JobRef(namespace, name, uid)
        return Played({**self.resource, "metadata": meta}, tuple(replace(r, ref=ref) for r in self.records))

    def recent(self, count: int) -> "Played":
        """With the newest decisions only."""
        return replace(self, records=self.records[-count:])


@functools.cache
def played(example: str = "healthcare", *, policy: str = "default", hours: float = 1.5) -> Played:
    """An example job, its decisions and its status after so many hours."""
    job = load_job(EXAMPLES / f"{example}.yaml")
    load = load_workload(job, trace=None, mean_rate=None)
    run = play(job, load, policy=policy, duration_s=hours * 3600, origin=ORIGIN)
    ref = JobRef("iot", example, f"uid-{example}")
    records = tuple(AuditRecord(ref, 1, run.job.job, c.evaluation, c.decision) for c in run.episode.cycles)
    return Played(_resource(ref, job.spec.model_dump(mode="json", by_alias=True, exclude_none=True), records), records)


def _resource(ref: JobRef, spec: Json, records: tuple[AuditRecord, ...]) -> Json:
    status = SparkIoTJobStatus()
    for record in (records[0], *records[-40:]):
        status = _after(status, record)
    return {
        "apiVersion": "sparkiot.dev/v1alpha1",
        "kind": "SparkIoTJob",
        "metadata": {"namespace": ref.namespace, "name": ref.name, "uid": ref.uid, "generation": 1},
        "spec": spec,
        "status": to_json(status),
    }


def _after(status: SparkIoTJobStatus, record: AuditRecord) -> SparkIoTJobStatus:
    evaluation, decision = record.evaluation, record.decision
    seen = evaluation.observation
    measured = Measurement(
        time=decision.time, running=evaluation.running, backlog=seen.backlog, cost_per_hour=seen.cost_rate
    )
    cycle = Cycle(
        time=decision.time,
        job=record.job,
        measurement=measured,
        observe_error=None,
        evaluation=evaluation,
        decision=decision,
        allocation=decision.allocation,
        generation=1,
        state=RUNNING,
    )
    findings = [
        ready(True, "Running", "the job runs"),
        observation_finding(record.job, evaluation, None),
        objective_finding(record.job, evaluation),
        limited_finding(decision),
        degraded_finding(decision, evaluation),
        Finding(
            ConditionType.POLICY_LOADED,
            True,
            PolicyReason.LOADED,
            f"{decision.policy.name} ({decision.policy.digest})",
        ),
    ]
    return build_status(
        previous=status, phase=Phase.RUNNING, generation=1, findings=findings, cycle=cycle, now=decision.time
    )


@dataclass
class FakeApi:
    """A cluster that answers at once; ``error`` is what it does instead."""

    jobs: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    error: ApiError | None = None
    events_error: ApiError | None = None
    calls: int = 0

    async def list_jobs(self, namespace: str | None) -> list[Json]:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return [j for j in self.jobs if namespace in (None, j["metadata"]["namespace"])]

    async def list_events(self, namespace: str, name: str) -> list[Json]:
        if self.events_error is not None:
            raise self.events_error
        return [e for e in self.events if e["involvedObject"]["name"] == name]


@dataclass
class Clock:
    now: float = ORIGIN + 5400

    def __call__(self) -> float:
        return self.now


def filled(*jobs: Played) -> Timelines:
    """The timelines of an operator that decided for these jobs."""
    timelines = Timelines()
    for job in jobs:
        for record in job.records:
            timelines.record(record, rule("Rate"))
    return timelines


def board(
    api: FakeApi, timelines: Timelines | None = None, *, clock: Clock | None = None, watched: bool = False
) -> Board:
    return Board(
        api,
        namespaces=[None],
        timelines=timelines or Timelines(),
        history=History("Timelines are kept by a test.", watched=watched),
        clock=clock or Clock(),
    )


def event(job: Played, reason: str, message: str, *, warning: bool = False) -> Json:
    return {
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
        "lastTimestamp": "2023-11-15T01:40:00Z",
        "involvedObject": {"name": job.ref.name, "uid": job.ref.uid},
    }
