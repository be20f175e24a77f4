"""Metrics: named with units, one set of series a job, gone with the job."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support_cycles import cycle

from sparkiot_operator.events import JobRef
from sparkiot_operator.metrics import Metrics

CITY, CARE = JobRef("iot", "city", "u1"), JobRef("iot", "care", "u2")
UNITS = ("_seconds", "_bytes", "_ratio", "_per_hour", "_per_second", "_messages", "_info")
COUNTED = {
    "sparkiot_job_signal_source_up",
    "sparkiot_leader",
    "sparkiot_job_executors",
    "sparkiot_job_burst_announced",
    "sparkiot_job_fallback_active",
    "sparkiot_job_shuffle_tier_failing",
    "sparkiot_policies_failed",
}
"""Gauges without a unit: they count things, or are 0 or 1."""


def series(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def test_what_a_cycle_leaves() -> None:
    metrics = Metrics()
    metrics.record(CITY, cycle(50))
    found = series(metrics)
    job = 'name="city",namespace="iot"'
    assert found[f'sparkiot_job_executors{{{job},state="desired"}}'] == 14
    assert found[f'sparkiot_job_executors{{{job},state="recommended"}}'] == 50
    assert found[f'sparkiot_job_executors{{{job},state="running"}}'] == 4
    assert found[f"sparkiot_job_latency_seconds{{{job}}}"] == pytest.approx(0.8504)
    assert found[f"sparkiot_job_slo_attainment_ratio{{{job}}}"] == pytest.approx(0.9987)
    assert found[f"sparkiot_job_executor_memory_bytes{{{job}}}"] == 2 * 1024**3
    assert found[f'sparkiot_job_decisions_total{{{job},reason="LoadRising"}}'] == 1
    assert found[f'sparkiot_job_clamps_total{{code="MaxExecutors",{job}}}'] == 1


def test_what_was_not_measured_has_no_series() -> None:
    metrics = Metrics()
    metrics.record(CITY, cycle(cost_rate=None, pending=None))
    found = series(metrics)
    assert not any("cost_dollars_per_hour" in name for name in found)
    assert not any('state="pending"' in name for name in found)


def test_counters_add_up_and_gauges_follow() -> None:
    metrics = Metrics()
    for proposed in (6, 6, 5):
        metrics.record(CITY, cycle(proposed))
    found = series(metrics)
    assert sum(value for name, value in found.items() if name.startswith("sparkiot_job_decisions_total")) == 3
    assert found['sparkiot_job_executors{name="city",namespace="iot",state="desired"}'] == 5


def test_a_job_that_goes_takes_its_series_along() -> None:
    metrics = Metrics()
    metrics.record(CITY, cycle())
    metrics.record(CARE, cycle())
    metrics.jobs.forget(CITY)
    metrics.jobs.forget(CITY)
    names = set(series(metrics))
    assert not any('name="city"' in name for name in names)
    assert any('name="care"' in name for name in names)


def test_series_of_one_job_are_bounded_whatever_happens_to_it() -> None:
    metrics = Metrics()
    for proposed in range(1, 60):
        metrics.record(CITY, cycle(proposed, latency_target=float(proposed)))
    many = sum('name="city"' in name for name in series(metrics))
    assert many < 80


def test_names_state_their_units() -> None:
    metrics = Metrics()
    metrics.record(CITY, cycle())
    for family in text_string_to_metric_families(metrics.render().decode()):
        assert family.documentation.endswith("."), family.name
        assert re.fullmatch(r"sparkiot_[a-z_]+", family.name)
        if family.type == "gauge" and family.name not in COUNTED and not family.name.endswith("_created"):
            assert family.name.endswith(UNITS), family.name
