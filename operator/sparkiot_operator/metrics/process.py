"""The operator itself: how its cycles, its calls and its policies do."""

import time
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from sparkiot_operator.events import JobRef
from sparkiot_operator.status import Cycle

from .api_calls import ApiCalls
from .families import Family
from .jobs import JobCollector

SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

CYCLE = Family("sparkiot_cycle_duration_seconds", "Real time that one cycle of a job took.")
LATENESS = Family(
    "sparkiot_cycle_lateness_seconds",
    "Real time between a cycle's due time and its start: how long it queued behind other jobs.",
)
API_SECONDS = Family(
    "sparkiot_api_request_duration_seconds",
    "Time until the Kubernetes API server's answer began, without watches.",
    ("verb",),
)
INFERENCE = Family(
    "sparkiot_policy_inference_seconds", "Time that a learned policy took for one answer: policy, meta.", ("role",)
)
API_REQUESTS = Family(
    "sparkiot_api_requests",
    "Requests to the Kubernetes API server, by HTTP method or WATCH, and by status code; error where no answer came.",
    ("verb", "code"),
)
STATUS_WRITES = Family("sparkiot_status_writes", "Status patches: ok, failed.", ("outcome",))
AUDIT_ERRORS = Family("sparkiot_audit_errors", "Decisions that could not be written to the audit log.")
LEADER = Family("sparkiot_leader", "1 while this process acts, 0 while it stands by for another replica.")
JOBS = Family("sparkiot_jobs", "Jobs that this process runs.")
POLICIES_FAILED = Family("sparkiot_policies_failed", "Policies in use that cannot be loaded.")
BUILD = Family("sparkiot_build_info", "1 for the operator's version.", ("version",))
HISTOGRAMS = (CYCLE, LATENESS, API_SECONDS, INFERENCE)
COUNTERS = (API_REQUESTS, STATUS_WRITES, AUDIT_ERRORS)
GAUGES = (LEADER, JOBS, POLICIES_FAILED, BUILD)


class Metrics:
    """All metrics of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = JobCollector()
        self.registry.register(self.jobs)
        ProcessCollector(registry=self.registry)
        self.cycle_seconds = self._histogram(CYCLE)
        self.lateness_seconds = self._histogram(LATENESS)
        self.inference_seconds = self._histogram(INFERENCE)
        self.status_writes = self._counter(STATUS_WRITES)
        self.audit_errors = self._counter(AUDIT_ERRORS)
        self.leader = self._gauge(LEADER)
        self.policies_failed = self._gauge(POLICIES_FAILED)
        self.api = ApiCalls(self._counter(API_REQUESTS), self._histogram(API_SECONDS), clock=time.monotonic)
        self._gauge(JOBS).set_function(lambda: len(self.jobs))
        self._gauge(BUILD).labels(version("sparkiot")).set(1)
        for outcome in ("ok", "failed"):
            self.status_writes.labels(outcome)

    def record(self, ref: JobRef, cycle: Cycle, *, now: float) -> None:
        """Take one cycle in. now: real time, epoch seconds."""
        self.jobs.sample(ref).take(cycle, now=now)

    def render(self) -> bytes:
        """The text that Prometheus scrapes. It may be called in another thread than all else."""
        return generate_latest(self.registry)

    def _histogram(self, family: Family) -> Histogram:
        return Histogram(family.name, family.text, family.labels, buckets=SECONDS_BUCKETS, registry=self.registry)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.text, family.labels, registry=self.registry)

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.text, family.labels, registry=self.registry)
