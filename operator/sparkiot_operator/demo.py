"""The demo: an embedded cluster, the operator and three jobs, a day of load in about a minute.

Nothing is staged: the cluster and the operator are the processes that ``sparkiot dev`` and ``sparkiot operator`` start,
the jobs are custom resources, and the figures come from the operator's metrics and audit log. The rules beside them
play the same load in virtual time.
"""

import math
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sparkiot_policies.observation import Observation
from sparkiot_sim.timeline import Timeline
from sparkiot_sim.trace import read_trace
from sparkiot_sim.workload import Workload

from .audit import AuditRecord, read_audit
from .offline import Load, OfflineJob, load_workload, parse_job, play
from .resource import GROUP, PLURAL, VERSION
from .resource.base import seconds

Json = dict[str, Any]
NAMESPACE = "iot"
JOBS = ("healthcare", "industrial", "smart-city")
RIVALS = ("HPA", "RateAhead")
MANAGER = "sparkiot-demo"
TRACE_SOURCE: Json = {"configMapKeyRef": {"name": "city-traffic", "key": "trace.csv"}}
TRACE_STEP_S = 60.0
"""A ConfigMap holds 1 MiB: the demo stores a user's trace at this resolution, one day of it."""


@dataclass(frozen=True, slots=True)
class DemoJob:
    """One of the demo's jobs: its manifest, and the load that it will meet."""

    manifest: Json
    offline: OfflineJob
    load: Load

    @property
    def name(self) -> str:
        return self.offline.name


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy achieved on one job's load. attainment: share of batches, NaN without one."""

    job: str
    policy: str
    attainment: float
    cost_dollars: float
    scalings: int


class Folder:
    """Where the demo keeps what it makes; emptied of an earlier demo's files when it starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cluster = path / "cluster"
        self.audit = path / "audit"
        self.kubeconfig = path / "kubeconfig"
        self.trace = path / "trace.csv"
        self.picture = path / "timeline.png"
        self.cluster_log = path / "dev.log"
        self.operator_log = path / "operator.log"

    def prepare(self) -> None:
        for folder in (self.cluster, self.audit):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.kubeconfig, self.trace, self.picture, self.cluster_log, self.operator_log):
            file.unlink(missing_ok=True)
        self.path.mkdir(parents=True, exist_ok=True)


def trace_text(trace: Path | None, *, duration: str) -> str:
    """The CSV that the demo's ConfigMap holds: the shipped trace, or the user's first stretch. Raises TraceError."""
    if trace is None:
        return files("sparkiot_sim").joinpath("data", "city_traffic.csv").read_text(encoding="utf-8")
    return _resampled(read_trace(trace).workload, duration_s=seconds(duration))


def demo_jobs(trace: Path, *, everywhere: bool, duration: str, acceleration: float) -> list[DemoJob]:
    """The three example jobs, sped up. Raises OfflineError.

    trace: CSV of the load. everywhere: it drives all jobs, not only the one whose example names a trace.
    """
    found = []
    for name in JOBS:
        path = Path(str(files("sparkiot_operator") / "examples" / f"{name}.yaml"))
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        manifest["metadata"]["namespace"] = NAMESPACE
        simulation = manifest["spec"]["simulation"]
        simulation.update(duration=duration, acceleration=acceleration)
        generator = simulation["workload"].get("generator")
        if everywhere and generator:
            simulation["profile"] = generator["kind"]
            simulation["workload"] = {"trace": {**TRACE_SOURCE, "meanRate": generator["meanRate"]}}
        job = parse_job(manifest, source=path.name)
        of_trace = job.simulation.workload.trace is not None
        found.append(DemoJob(manifest, job, load_workload(job, trace=trace if of_trace else None, mean_rate=None)))
    return found


def config_map(text: str) -> Json:
    """The trace as the jobs read it."""
    reference = TRACE_SOURCE["configMapKeyRef"]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": reference["name"], "namespace": NAMESPACE},
        "data": {reference["key"]: text},
    }


def manifests(jobs: list[DemoJob], trace: Json) -> Iterator[tuple[str, Json]]:
    """API path and object, in the order in which they are applied."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield f"/api/v1/namespaces/{NAMESPACE}", namespace
    yield f"/api/v1/namespaces/{NAMESPACE}/configmaps/{trace['metadata']['name']}", trace
    for job in jobs:
        yield f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}/{job.name}", job.manifest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a loopback URL answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - a loopback URL that we built
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def live_outcomes(metrics_url: str, jobs: list[DemoJob]) -> list[Outcome]:
    """What the operator's own counters say of each job."""
    with urllib.request.urlopen(metrics_url, timeout=10) as response:  # noqa: S310 - a loopback URL that we built
        text = response.read().decode()
    values: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("namespace") == NAMESPACE and len(sample.labels) == 2:
                values[sample.name, sample.labels["name"]] = sample.value

    def of(job: DemoJob, metric: str) -> float:
        return values[metric, job.name]

    return [
        Outcome(
            job=job.name,
            policy=job.offline.spec.policy.name,
            attainment=of(job, "sparkiot_job_batches_met_total") / of(job, "sparkiot_job_batches_total"),
            cost_dollars=of(job, "sparkiot_job_cost_dollars_total"),
            scalings=int(of(job, "sparkiot_job_scalings_total")),
        )
        for job in jobs
    ]


def rival_outcomes(jobs: list[DemoJob], *, origin: float) -> list[Outcome]:
    """The rules on the same loads in virtual time, in parallel."""
    pairs = [(job, policy, origin) for job in jobs for policy in RIVALS]
    with ProcessPoolExecutor() as pool:
        return list(pool.map(_rival, pairs))


def timelines(audit: Path, jobs: list[DemoJob], outcomes: list[Outcome]) -> list[Timeline]:
    """One timeline a job, from the audit log."""
    records: dict[str, list[AuditRecord]] = {job.name: [] for job in jobs}
    for record in read_audit([audit]):
        if record.ref.name in records:
            records[record.ref.name].append(record)
    said = {o.job: f"attainment {o.attainment:.2%}, ${o.cost_dollars:.2f}, {o.scalings} scalings" for o in outcomes}
    return [_timeline(job, records[job.name], said[job.name]) for job in jobs if records[job.name]]


def _timeline(job: DemoJob, records: list[AuditRecord], subtitle: str) -> Timeline:
    seen = [record.evaluation.observation for record in records]

    def column(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([_value(observation, name) for observation in seen], dtype=np.float64)

    return Timeline(
        name=job.name,
        subtitle=subtitle,
        latency_target_ms=job.offline.job.objectives.latency_target_ms,
        time=np.array([record.decision.time for record in records]),
        rate=column("workload_rate"),
        predicted=column("predicted_rate"),
        burst=column("burst"),
        wanted=np.array([record.decision.allocation.executors for record in records], dtype=np.float64),
        running=column("running"),
        tier=np.array([record.decision.allocation.tier.code for record in records], dtype=np.float64),
        latency_ms=column("latency"),
    )


def _value(observation: Observation, name: str) -> float:
    value = getattr(observation, name)
    return math.nan if value is None else float(value)


def _rival(task: tuple[DemoJob, str, float]) -> Outcome:
    job, policy, origin = task
    summary = play(job.offline, job.load, policy=policy, duration_s=None, origin=origin).episode.summary
    return Outcome(job.name, policy, summary.slo_attainment, summary.cost_dollars, summary.scalings)


def _resampled(workload: Workload, *, duration_s: float) -> str:
    """The first stretch of a load as CSV, one row a step, each the mean of its step."""
    span = min(workload.duration_s, duration_s)
    count = max(int(span // TRACE_STEP_S), 2)
    edges = workload.start + np.arange(count + 1) * min(TRACE_STEP_S, span / count)
    rows = ["timestamp,value"]
    for begin, end in pairwise(edges.tolist()):
        rows.append(f"{begin:.3f},{workload.arrivals(begin, end) / (end - begin):.6g}")
    return "\n".join(rows) + "\n"
