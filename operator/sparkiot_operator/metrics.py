"""Prometheus metrics, with their units in their names.

What a job is now is kept as one sample a job and turned into series when Prometheus asks: a cycle costs one assignment,
a job that goes takes its series along, and no label can grow without bound (codes and reasons are enumerations).
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .events import JobRef
from .resource.base import seconds as parse_seconds
from .resource.status import ShuffleStatus
from .status import Cycle

MIB = 1024 * 1024
SECONDS_PER_HOUR = 3600.0
JOB_LABELS = ("namespace", "name")
SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


Series = Iterable[tuple[list[str], float | None]]


def _executors(cycle: Cycle) -> Series:
    yield ["desired"], cycle.allocation.executors
    yield ["recommended"], cycle.decision.proposal.executors
    yield ["running"], cycle.evaluation.running
    yield ["pending"], cycle.evaluation.pending


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _shuffle_bytes(cycle: Cycle) -> Series:
    status = _shuffle(cycle)
    yield ["raw"], status.raw_bytes if status else None
    yield ["stored"], status.stored_bytes if status else None


def _shuffle_seconds(cycle: Cycle) -> Series:
    status = _shuffle(cycle)
    for phase, time in (("write", "write_time"), ("read", "read_time"), ("batch", "batch_time")):
        found = getattr(status, time) if status else None
        yield [phase], None if found is None else parse_seconds(found)


def _shuffle_failing(cycle: Cycle) -> Series:
    for trouble in cycle.state.shuffle.troubles if cycle.state.shuffle else ():
        yield [trouble.tier.value, trouble.reason], 1


def _shuffle_used(cycle: Cycle) -> Series:
    status = _shuffle(cycle)
    if status is not None:
        yield [status.wanted_tier.value, status.tier.value, status.compression.value], 1


def _shuffle(cycle: Cycle) -> ShuffleStatus | None:
    return cycle.state.shuffle.status if cycle.state.shuffle is not None else None


_GAUGES: tuple[tuple[str, str, list[str], Callable[[Cycle], Series]], ...] = (
    (
        "sparkiot_job_executors",
        "Executors: desired, recommended by the policy, running, pending.",
        ["state"],
        _executors,
    ),
    (
        "sparkiot_job_executor_memory_bytes",
        "Memory of one executor, as desired.",
        [],
        lambda c: [([], c.allocation.memory_mib * MIB)],
    ),
    (
        "sparkiot_job_shuffle_info",
        "1 for the shuffle tier and compression that are desired.",
        ["tier", "compression"],
        lambda c: [([c.allocation.tier.value, c.allocation.compression.value], 1)],
    ),
    (
        "sparkiot_job_shuffle_batch_info",
        "1 for tiers and compression of the newest batch of the tiered shuffle.",
        ["wanted_tier", "tier", "compression"],
        _shuffle_used,
    ),
    (
        "sparkiot_job_shuffle_batch_bytes",
        "Bytes of the newest batch of the tiered shuffle: raw, stored.",
        ["kind"],
        _shuffle_bytes,
    ),
    (
        "sparkiot_job_shuffle_batch_seconds",
        "Seconds of the newest batch of the tiered shuffle: write and read summed over tasks, batch in all.",
        ["phase"],
        _shuffle_seconds,
    ),
    (
        "sparkiot_job_shuffle_tier_failing",
        "1 for a shuffle tier that fails now.",
        ["tier", "reason"],
        _shuffle_failing,
    ),
    (
        "sparkiot_job_data_temperature_ratio",
        "Probability that shuffled data is read again.",
        [],
        lambda c: [([], c.evaluation.observation.temperature)],
    ),
    (
        "sparkiot_job_latency_seconds",
        "End-to-end latency at the objective's quantile over the metrics window.",
        [],
        lambda c: [([], _seconds(c.evaluation.observation.latency))],
    ),
    (
        "sparkiot_job_latency_objective_seconds",
        "The latency objective.",
        [],
        lambda c: [([], _seconds(c.job.objectives.latency_target_ms))],
    ),
    (
        "sparkiot_job_slo_attainment_ratio",
        "Share of micro-batches within the objective over the SLO window.",
        [],
        lambda c: [([], c.evaluation.observation.attainment)],
    ),
    (
        "sparkiot_job_slo_objective_ratio",
        "Share of micro-batches that shall meet it.",
        [],
        lambda c: [([], c.job.objectives.quantile)],
    ),
    (
        "sparkiot_job_cost_dollars_per_hour",
        "Cost of what is billed now.",
        [],
        lambda c: [([], c.evaluation.observation.cost_rate)],
    ),
    (
        "sparkiot_job_input_messages_per_second",
        "Arrival rate over the last interval.",
        [],
        lambda c: [([], c.evaluation.observation.workload_rate)],
    ),
    (
        "sparkiot_job_predicted_messages_per_second",
        "Arrival rate that the edge predicts.",
        [],
        lambda c: [([], c.evaluation.observation.predicted_rate)],
    ),
    (
        "sparkiot_job_backlog_messages",
        "Messages that wait for a micro-batch.",
        [],
        lambda c: [([], c.evaluation.observation.backlog)],
    ),
    (
        "sparkiot_job_observation_age_seconds",
        "Job time since the last measurement, at the last cycle.",
        [],
        lambda c: [([], c.evaluation.age_s)],
    ),
    (
        "sparkiot_job_burst_announced",
        "1 while the edge announces a burst.",
        [],
        lambda c: [([], c.evaluation.observation.burst)],
    ),
    (
        "sparkiot_job_signal_age_seconds",
        "Real time since the newest burst signal was made.",
        [],
        lambda c: [([], c.signals.age_s if c.signals else None)],
    ),
    (
        "sparkiot_job_signal_clock_skew_seconds",
        "How far the gateway's clock is behind, the way of a signal included; negative when it is ahead.",
        [],
        lambda c: [([], c.signals.skew_s if c.signals and c.signals.time is not None else None)],
    ),
    (
        "sparkiot_job_signal_source_up",
        "1 while the source of burst signals can be reached.",
        [],
        lambda c: [([], float(c.signals.problem is None) if c.signals else None)],
    ),
    (
        "sparkiot_job_fallback_active",
        "1 while the fallback rule acts instead of the policy.",
        [],
        lambda c: [([], float(c.decision.fallback is not None))],
    ),
    (
        "sparkiot_job_policy_info",
        "1 for the policy that acted last.",
        ["policy", "digest"],
        lambda c: [([c.decision.acted.name, c.decision.acted.digest], 1)],
    ),
)


@dataclass(slots=True)
class JobSample:
    """What the collector needs of one job. last: None before the first cycle."""

    last: Cycle | None = None
    decisions: Tally[str] = field(default_factory=Tally)
    clamps: Tally[str] = field(default_factory=Tally)
    errors: int = 0
    skipped: int = 0
    batches: int = 0
    batches_met: int = 0
    dollars: float = 0.0
    scalings: int = 0

    def take(self, cycle: Cycle) -> None:
        """Count one cycle in. Cost is what was billed per hour since the cycle before, over the job time between."""
        before, self.last = self.last, cycle
        self.decisions[cycle.decision.reason.value] += 1
        for clamp in cycle.decision.clamps:
            self.clamps[clamp.code.value] += 1
        self.scalings += cycle.allocation.executors != cycle.decision.previous.executors
        if (measured := cycle.measurement) is None:
            return
        self.batches += len(measured.batches)
        self.batches_met += sum(b.latency_ms <= cycle.job.objectives.latency_target_ms for b in measured.batches)
        if before is not None and measured.cost_per_hour is not None:
            self.dollars += measured.cost_per_hour * (cycle.time - before.time) / SECONDS_PER_HOUR


_TOTALS: tuple[tuple[str, str, Callable[[JobSample], float]], ...] = (
    ("sparkiot_job_cycle_errors", "Cycles that failed.", lambda s: s.errors),
    ("sparkiot_job_cycles_skipped", "Cycles left out because the one before was late.", lambda s: s.skipped),
    ("sparkiot_job_batches", "Micro-batches that completed.", lambda s: s.batches),
    ("sparkiot_job_batches_met", "Micro-batches that met the latency objective.", lambda s: s.batches_met),
    ("sparkiot_job_cost_dollars", "What was billed, over job time.", lambda s: s.dollars),
    ("sparkiot_job_scalings", "Changes of the number of executors.", lambda s: s.scalings),
)


class JobCollector(Collector):
    """Series of the jobs that exist now."""

    def __init__(self) -> None:
        self._samples: dict[JobRef, JobSample] = {}

    def sample(self, ref: JobRef) -> JobSample:
        return self._samples.setdefault(ref, JobSample())

    def forget(self, ref: JobRef) -> None:
        self._samples.pop(ref, None)

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering does not collect."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        samples = [([ref.namespace, ref.name], sample) for ref, sample in self._samples.items()]
        for name, unit_text, labels, read in _GAUGES:
            gauge = GaugeMetricFamily(name, unit_text, labels=[*JOB_LABELS, *labels])
            for job, sample in samples:
                if sample.last is not None:
                    for extra, value in read(sample.last):
                        if value is not None:
                            gauge.add_metric([*job, *extra], value)
            yield gauge
        yield from self._counters(samples)

    @staticmethod
    def _counters(samples: list[tuple[list[str], JobSample]]) -> Iterator[Metric]:
        decisions = CounterMetricFamily(
            "sparkiot_job_decisions", "Decisions by reason.", labels=[*JOB_LABELS, "reason"]
        )
        clamps = CounterMetricFamily(
            "sparkiot_job_clamps", "Clamps of the envelope by code.", labels=[*JOB_LABELS, "code"]
        )
        for job, sample in samples:
            for reason, count in sample.decisions.items():
                decisions.add_metric([*job, reason], count)
            for code, count in sample.clamps.items():
                clamps.add_metric([*job, code], count)
        yield from (decisions, clamps, _signals(samples))
        for name, text, read in _TOTALS:
            total = CounterMetricFamily(name, text, labels=JOB_LABELS)
            for job, sample in samples:
                total.add_metric(job, read(sample))
            yield total


def _signals(samples: list[tuple[list[str], JobSample]]) -> CounterMetricFamily:
    found = CounterMetricFamily(
        "sparkiot_job_signals",
        "Burst signals that came: accepted, or the reason why they were dropped.",
        labels=[*JOB_LABELS, "outcome"],
    )
    for job, sample in samples:
        if sample.last is not None and (view := sample.last.signals) is not None:
            for outcome, count in {"Accepted": view.accepted, **view.dropped}.items():
                found.add_metric([*job, outcome], count)
    return found


class Metrics:
    """All metrics of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = JobCollector()
        self.registry.register(self.jobs)
        self.cycle_seconds = Histogram(
            "sparkiot_cycle_duration_seconds",
            "Real time that one cycle of a job took.",
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.lateness_seconds = Histogram(
            "sparkiot_cycle_lateness_seconds",
            "Real time between a cycle's due time and its start.",
            buckets=SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.status_writes = Counter("sparkiot_status_writes", "Status patches.", ["outcome"], registry=self.registry)
        self.audit_errors = Counter(
            "sparkiot_audit_errors", "Decisions that could not be written to the audit log.", registry=self.registry
        )
        self.leader = Gauge(
            "sparkiot_leader",
            "1 while this process acts, 0 while it stands by for another replica.",
            registry=self.registry,
        )
        self.policies_failed = Gauge(
            "sparkiot_policies_failed", "Policies in use that cannot be loaded.", registry=self.registry
        )

    def record(self, ref: JobRef, cycle: Cycle) -> None:
        """Take one cycle in."""
        self.jobs.sample(ref).take(cycle)

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
