"""Metrics: named with units, one bounded set of series a job, gone with the job."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support_cycles import cycle, live_cycle
from support_jobs import NOW, allocation, job, measurement

from sparkiot_operator.events import JobRef
from sparkiot_operator.metrics import JobSample, Metrics, process
from sparkiot_operator.metrics.gauges import CYCLE_GAUGES, STATUS_GAUGES
from sparkiot_operator.metrics.reference import MOST_SERIES, metrics_page
from sparkiot_operator.metrics.restarts import Cause, RestartTally
from sparkiot_operator.metrics.sample import Distribution
from sparkiot_operator.metrics.totals import SPREADS, TOTALS
from sparkiot_operator.resource.status import Condition, ConditionType, Phase, SparkIoTJobStatus
from sparkiot_operator.signals.inbox import Dropped
from sparkiot_operator.status import Cycle
from sparkiot_policies.decision import ClampCode, FallbackCode, Reason
from sparkiot_policies.measurement import Batch

CITY, CARE = JobRef("iot", "city", "u1"), JobRef("iot", "care", "u2")
JOB = 'name="city",namespace="iot"'
ROOT = Path(__file__).parents[2]
UNITS = ("_seconds", "_bytes", "_ratio", "_per_hour", "_per_second", "_messages", "_info")
COUNTED = {
    "process_max_fds",
    "process_open_fds",
    "sparkiot_job_signal_source_up",
    "sparkiot_leader",
    "sparkiot_job_condition",
    "sparkiot_job_executors",
    "sparkiot_job_executors_limit",
    "sparkiot_job_burst_announced",
    "sparkiot_job_fallback_active",
    "sparkiot_job_shuffle_tier_failing",
    "sparkiot_jobs",
    "sparkiot_policies_failed",
    "sparkiot_job_shadow_samples",
    "sparkiot_job_promotions",
    "sparkiot_job_demotions",
}
"""Gauges without a unit: they count things, or are 0 or 1."""


def series(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def recorded(*cycles: Cycle) -> dict[str, float]:
    metrics = Metrics()
    for each in cycles:
        metrics.record(CITY, each, now=NOW)
    return series(metrics)


def status(phase: Phase, **conditions: str) -> SparkIoTJobStatus:
    found = [
        Condition(type=kind, status=value, reason="R", message="m", last_transition_time="2026-01-01T00:00:00Z")  # type: ignore[arg-type]  # True, False or Unknown
        for kind, value in conditions.items()
    ]
    return SparkIoTJobStatus(phase=phase, conditions=found)


def test_what_a_cycle_leaves() -> None:
    found = recorded(cycle(50))
    assert found[f'sparkiot_job_executors{{{JOB},state="desired"}}'] == 14
    assert found[f'sparkiot_job_executors{{{JOB},state="recommended"}}'] == 50
    assert found[f'sparkiot_job_executors{{{JOB},state="running"}}'] == 4
    assert found[f'sparkiot_job_executors_limit{{bound="max",{JOB}}}'] == 20
    assert found[f"sparkiot_job_latency_seconds{{{JOB}}}"] == pytest.approx(0.8504)
    assert found[f"sparkiot_job_slo_attainment_ratio{{{JOB}}}"] == pytest.approx(0.9987)
    assert found[f"sparkiot_job_executor_memory_bytes{{{JOB}}}"] == 2 * 1024**3
    assert found[f"sparkiot_job_last_cycle_timestamp_seconds{{{JOB}}}"] == NOW
    assert found[f'sparkiot_job_decisions_total{{{JOB},reason="LoadRising"}}'] == 1
    assert found[f'sparkiot_job_clamps_total{{code="MaxExecutors",{JOB}}}'] == 1
    assert found["sparkiot_jobs"] == 1


def test_what_was_not_measured_has_no_series() -> None:
    found = recorded(cycle(cost_rate=None, pending=None, age_s=float("inf")))
    for missing in (
        "cost_dollars_per_hour",
        "budget_dollars",
        'state="pending"',
        "observation_age",
        "restart_cost",
        "signal",
    ):
        assert not any(missing in name for name in found), missing


def test_counters_add_up_and_gauges_follow() -> None:
    found = recorded(cycle(6), cycle(6), cycle(5))
    assert sum(value for name, value in found.items() if name.startswith("sparkiot_job_decisions_total")) == 3
    assert found[f'sparkiot_job_executors{{{JOB},state="desired"}}'] == 5


def test_batches_are_counted_and_told_by_their_times() -> None:
    """Latencies of 0.9, 1.0 and 400 s against an objective of one second."""
    batches = (
        Batch(time=NOW, rows=10.0, duration_s=0.05, latency_ms=900.0),
        Batch(time=NOW, rows=20.0, duration_s=4.0, latency_ms=1000.0),
        Batch(time=NOW, rows=30.0, duration_s=399.0, latency_ms=400_000.0),
    )
    found = recorded(replace(cycle(), measurement=measurement(NOW, batches=batches)))
    latency = "sparkiot_job_batch_latency_seconds"
    assert found[f'{latency}_bucket{{le="0.5",{JOB}}}'] == 0
    assert found[f'{latency}_bucket{{le="1.0",{JOB}}}'] == 2
    assert found[f'{latency}_bucket{{le="300.0",{JOB}}}'] == 2
    assert found[f'{latency}_bucket{{le="+Inf",{JOB}}}'] == found[f"{latency}_count{{{JOB}}}"] == 3
    assert found[f"{latency}_sum{{{JOB}}}"] == pytest.approx(401.9)
    assert found[f'sparkiot_job_batch_duration_seconds_bucket{{le="0.1",{JOB}}}'] == 1
    assert found[f"sparkiot_job_batches_total{{{JOB}}}"] == 3
    assert found[f"sparkiot_job_batches_met_total{{{JOB}}}"] == 2
    assert found[f"sparkiot_job_processed_messages_total{{{JOB}}}"] == 60


def test_a_bucket_holds_its_upper_bound() -> None:
    found = Distribution()
    found.observe(0.1)
    found.observe(0.1000001)
    assert dict(found.buckets())["0.1"] == 1
    assert dict(found.buckets())["0.25"] == 2


def test_conditions_are_true_false_or_missing() -> None:
    metrics = Metrics()
    metrics.jobs.sample(CITY).settle(status(Phase.RUNNING, Ready="True", Degraded="False", ObjectiveMet="Unknown"))
    found = series(metrics)
    assert found[f'sparkiot_job_condition{{condition="Ready",{JOB}}}'] == 1
    assert found[f'sparkiot_job_condition{{condition="Degraded",{JOB}}}'] == 0
    assert not any("ObjectiveMet" in name for name in found)
    assert found[f'sparkiot_job_phase_info{{{JOB},phase="Running"}}'] == 1


def test_a_job_that_stops_keeps_what_it_did_and_not_what_it_was() -> None:
    metrics = Metrics()
    metrics.record(CITY, cycle(), now=NOW)
    metrics.jobs.sample(CITY).settle(status(Phase.SUSPENDED, Ready="False"))
    found = series(metrics)
    assert not any(name.startswith(("sparkiot_job_executors{", "sparkiot_job_cost_dollars_per_hour")) for name in found)
    assert found[f"sparkiot_job_batches_total{{{JOB}}}"] == 1
    assert found[f'sparkiot_job_phase_info{{{JOB},phase="Suspended"}}'] == 1


def test_a_job_that_goes_takes_its_series_along() -> None:
    metrics = Metrics()
    metrics.record(CITY, cycle(), now=NOW)
    metrics.record(CARE, cycle(), now=NOW)
    metrics.jobs.forget(CITY)
    metrics.jobs.forget(CITY)
    names = set(series(metrics))
    assert not any('name="city"' in name for name in names)
    assert any('name="care"' in name for name in names)


def test_restarts_by_cause_and_what_they_cost() -> None:
    tally, before = RestartTally(), None
    for step in (
        live_cycle(pod_uid="p1"),
        live_cycle(pod_uid=None, restarts=0, ready=False),  # the driver failed
        live_cycle(pod_uid="p2", restarts=1, ready=False),  # and another one begins
        live_cycle(pod_uid="p2", restarts=1),
        live_cycle(pod_uid="p3", restarts=1),  # an edit of the spec
    ):
        now = step if before is None else replace(step, time=before.time + 10)
        tally.take(before, now)
        before = now
    assert tally.counts == {Cause.ALLOCATION: 0, Cause.FAILURE: 1, Cause.REPLACED: 1}
    assert tally.unready_s == 20


def test_other_memory_is_a_restart_whose_outage_counts_once_it_is_measured() -> None:
    tally, before = RestartTally(), None
    for cost in (30.0, 30.0, None, 30.0, 41.5, 41.5):
        now = replace(cycle(), measurement=measurement(NOW, restart_cost_s=cost))
        tally.take(before, now)
        before = now
    assert tally.outage_s == 41.5, "30 s were an earlier operator's"
    tally.take(before, replace(cycle(), allocation=allocation(6, gib=4)))
    assert tally.counts[Cause.ALLOCATION] == 1


def everything() -> JobSample:
    """A live job that has met each code, reason and outcome that there is."""
    sample = JobSample()
    measured: dict[str, float] = {
        "pending": 1,
        "predicted_rate": 1.0,
        "burst": 1.0,
        "restart_cost_s": 1.0,
        "processing_rate": 1.0,
        "quota_executors": 9,
    }
    sample.take(live_cycle(cost_rate=1.0, **measured), now=NOW)
    sample.settle(status(Phase.RUNNING, **{kind.value: "True" for kind in ConditionType}))
    sample.decisions = Counter(reason.value for reason in Reason)
    sample.clamps = Counter(code.value for code in ClampCode)
    sample.fallbacks = Counter(code.value for code in FallbackCode)
    assert sample.last is not None
    assert sample.last.signals is not None
    assert sample.last.state.shuffle is not None
    signals = replace(sample.last.signals, dropped={reason.value: 1 for reason in Dropped})
    shuffle = replace(sample.last.state.shuffle, troubles=sample.last.state.shuffle.troubles * 4)
    limited = job(budget=6.0)
    sample.last = replace(sample.last, job=limited, signals=signals, state=replace(sample.last.state, shuffle=shuffle))
    return sample


def test_series_of_a_thousand_jobs_are_bounded_whatever_happens_to_them() -> None:
    metrics = Metrics()
    own = len(series(metrics))
    assert own < 120
    each = everything()
    for number in range(1000):
        metrics.jobs._samples[JobRef("iot", f"job-{number}", str(number))] = each
    lines = [line for line in metrics.render().decode().splitlines() if not line.startswith("#")]
    assert len(lines) - own == 1000 * MOST_SERIES, "the page states the bound as it is"
    for number in range(1000):
        metrics.jobs.forget(JobRef("iot", f"job-{number}", str(number)))
    assert len(series(metrics)) == own


def test_a_job_adds_no_series_by_running_on() -> None:
    metrics = Metrics()
    counts = []
    for proposed in (*range(1, 60), *range(1, 60)):
        metrics.record(CITY, cycle(proposed, latency_target=float(proposed)), now=NOW)
        counts.append(sum('name="city"' in name for name in series(metrics)) if proposed == 59 else 0)
    assert counts[58] == counts[-1]


def test_names_state_their_units() -> None:
    metrics = Metrics()
    metrics.record(CITY, live_cycle(), now=NOW)
    for family in text_string_to_metric_families(metrics.render().decode()):
        assert family.documentation.endswith("."), family.name
        assert re.fullmatch(r"(sparkiot|process)_[a-z_]+", family.name)
        if family.type == "gauge" and family.name not in COUNTED and not family.name.endswith("_created"):
            assert family.name.endswith(UNITS), family.name


def test_rules_and_pages_name_only_what_there_is() -> None:
    """A rule over a metric or a label's value that nobody serves would never fire, and nobody would notice."""
    metrics = Metrics()
    metrics.jobs._samples[CITY] = everything()
    served = {name.split("{")[0] for name in series(metrics)} | {f.name for f in process.HISTOGRAMS}
    served |= {f"{f.name}_bucket" for f in process.HISTOGRAMS} | {f"{f.name}_total" for f in process.COUNTERS}
    rules = (ROOT / "charts" / "sparkiot" / "files" / "rules.yaml").read_text()
    pages = [(ROOT / "docs" / "how-to" / f"{page}.md").read_text() for page in ("runbook", "monitor", "install")]
    for text in (rules, *pages):
        assert set(re.findall(r"(?<![:\w])sparkiot_(?!driver_)\w+(?![\w./])", text)) <= served
    asked = set(re.findall(r'condition="(\w+)"', rules))
    assert asked <= {kind.value for kind in ConditionType}
    phases = {phase for found in re.findall(r'phase=~?"([\w|]+)"', rules) for phase in found.split("|")}
    assert phases <= {phase.value for phase in Phase}
    assert set(re.findall(r'cause="(\w+)"', rules)) <= {cause.value for cause in Cause}
    assert (asked, phases) != (set(), set())


def test_the_page_names_what_is_served_and_nothing_else() -> None:
    metrics = Metrics()
    metrics.jobs._samples[CITY] = everything()
    metrics.status_writes.labels("ok").inc()
    served = {family.name for family in text_string_to_metric_families(metrics.render().decode())}
    served = {name for name in served if name.startswith("sparkiot_") and not name.endswith("_created")}
    families = [r.family for r in (*CYCLE_GAUGES, *STATUS_GAUGES, *TOTALS)] + [s.family for s in SPREADS]
    stated = [f.name for f in (*families, *process.GAUGES, *process.COUNTERS, *process.HISTOGRAMS)]
    assert len(stated) == len(set(stated))
    assert set(stated) == served
    silent = {f.name for f in text_string_to_metric_families(metrics.render().decode()) if not f.samples}
    assert silent <= {f.name for f in (*process.COUNTERS, *process.HISTOGRAMS)}, "a job that has all has all series"
    page = metrics_page()
    for name in stated:
        assert f"| `{name}`" in page or f"| `{name}_total`" in page
