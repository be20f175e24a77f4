"""From spec to Job: units, precedence, and problems that name field, value and allowed range."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.translate import InvalidSpecError, parse_spec, to_job
from sparkiot_policies.allocation import Compression, Tier
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights

SIMULATION = {"workload": {"generator": {"kind": "Healthcare"}}}


def spec_with(**fields: Any) -> dict[str, Any]:
    return {"simulation": SIMULATION, **fields}


def problems(**fields: Any) -> list[str]:
    with pytest.raises(InvalidSpecError) as caught:
        parse_spec(spec_with(**fields))
    return [str(p) for p in caught.value.problems]


@pytest.mark.parametrize(("text", "value"), [("500ms", 0.5), ("10s", 10), ("1m30s", 90), ("1.5h", 5400)])
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "10", "1s\n", "s", "-1s", "1d", "1s 2s", "1S"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h"]))
def test_duration_units(number: int, unit: str) -> None:
    assert seconds(f"{number}{unit}") == pytest.approx(number * {"ms": 1e-3, "s": 1, "m": 60, "h": 3600}[unit])


def test_defaults_follow_the_interval() -> None:
    fast = to_job("iot/a", parse_spec(spec_with()))
    slow = to_job("iot/a", parse_spec(spec_with(scaling={"interval": "5m"})))
    assert (fast.interval_s, fast.metrics_window_s, fast.limits.stale_after_s) == (10, 120, 30)
    assert (slow.interval_s, slow.metrics_window_s, slow.limits.stale_after_s) == (300, 1500, 900)


def test_weights_win_over_the_scenario() -> None:
    weights = {"cost": 0.5, "latency": 0.25, "throughput": 0.25}
    objectives = {"scenario": "HealthcareCritical", "weights": weights}
    assert to_job("n", parse_spec(spec_with(objectives=objectives))).objectives.weights == Weights(0.5, 0.25, 0.25)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_scenarios(scenario: Scenario) -> None:
    job = to_job("n", parse_spec(spec_with(objectives={"scenario": scenario.value})))
    assert job.objectives.weights == SCENARIO_WEIGHTS.get(scenario)


def test_pinned_shuffle_and_memory_units() -> None:
    job = to_job(
        "n",
        parse_spec(
            spec_with(
                shuffle={"tier": "Cold", "compression": "ZSTD"}, scaling={"memory": {"min": "1536Mi", "max": "2Gi"}}
            )
        ),
    )
    assert job.limits.tiers == (Tier.COLD,)
    assert job.limits.compressions == (Compression.ZSTD,)
    assert (job.limits.min_memory_mib, job.limits.max_memory_mib) == (1536, 2048)
    assert job.initial.tier is Tier.COLD
    assert job.initial.memory_mib == 2048


def test_archive_only_when_it_is_configured() -> None:
    auto = to_job("n", parse_spec(spec_with()))
    archive = {"archive": {"s3": {"bucket": "shuffle", "storageClass": "GLACIER"}}}
    assert Tier.ARCHIVE not in auto.limits.tiers
    assert Tier.ARCHIVE in to_job("n", parse_spec(spec_with(shuffle={"tiers": archive}))).limits.tiers


def test_null_is_absent() -> None:
    assert parse_spec(spec_with(scaling={"executors": {"override": None}})).scaling.executors.override is None


def test_problems_name_field_value_and_range() -> None:
    (problem,) = problems(scaling={"executors": {"min": 0}})
    assert problem.startswith("spec.scaling.executors.min: ")
    assert "greater than or equal to 1" in problem
    assert "found 0" in problem


def test_unknown_field_and_unknown_scenario() -> None:
    found = problems(objectives={"scenario": "Cheap"}, scaling={"exectuors": {}})
    assert any(p.startswith("spec.objectives.scenario: ") and "'Cheap'" in p and "Balanced" in p for p in found)
    assert any(p.startswith("spec.scaling.exectuors: ") for p in found)


def test_unknown_time_zone() -> None:
    period = {"start": "08:00", "end": "09:00", "timeZone": "Mars/Olympus"}
    (problem,) = problems(scaling={"excludedPeriods": [period]})
    assert problem.startswith("spec.scaling.excludedPeriods[0].timeZone: ")
    assert "'Mars/Olympus'" in problem


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_not_a_number_is_refused(number: float) -> None:
    (problem,) = problems(simulation={"workload": {"generator": {"kind": "Healthcare", "meanRate": number}}})
    assert problem.startswith("spec.simulation.workload.generator.meanRate: ")


@pytest.mark.parametrize(
    ("fields", "field", "value", "message"),
    [
        ({"scaling": {"executors": {"min": 5, "max": 2}}}, "scaling.executors.min", "5", "exceed max"),
        (
            {"scaling": {"executors": {"max": 2, "override": 3}}},
            "scaling.executors.override",
            "3",
            "between min and max",
        ),
        ({"scaling": {"memory": {"min": "2Gi", "max": "1024Mi"}}}, "scaling.memory.min", "'2Gi'", "exceed max"),
        ({"scaling": {"interval": "10ms"}}, "scaling.interval", "'10ms'", "1s to 1h"),
        ({"scaling": {"interval": "5m", "metricsWindow": "1m"}}, "scaling.metricsWindow", "'1m'", "shorter"),
        ({"objectives": {"latency": {"target": "0s"}}}, "objectives.latency.target", "'0s'", "1ms to 24h"),
        (
            {"objectives": {"weights": {"cost": 0.5, "latency": 0.5, "throughput": 0.5}}},
            "objectives.weights",
            "{'cost'",
            "sum to 1",
        ),
        ({"backend": "Spark"}, "application", "nothing", "backend Spark needs application"),
        (
            {"application": {"image": "spark:1", "mainApplicationFile": "local:///a.py"}},
            "application.checkpointLocation",
            "nothing",
            "without a checkpoint",
        ),
        ({"simulation": {"workload": {}}}, "simulation.workload", "{}", "exactly one"),
        ({"simulation": {**SIMULATION, "edge": {"lead": "0s"}}}, "simulation.edge.lead", "'0s'", "1s to 1h"),
    ],
)
def test_what_spans_fields_is_checked_without_an_api_server_too(
    fields: dict[str, Any], field: str, value: str, message: str
) -> None:
    (problem,) = problems(**fields)
    assert problem.startswith(f"spec.{field}: ")
    assert f"found {value}" in problem
    assert message in problem


def test_whole_numbers_are_weights_too() -> None:
    weights = {"cost": 1, "latency": 0, "throughput": 0}
    assert parse_spec(spec_with(objectives={"weights": weights})).objectives.weights is not None


@pytest.mark.parametrize(
    ("shuffle", "tiers", "compressions"),
    [
        ({}, [Tier.WARM], [Compression.LZ4]),
        ({"tier": "Hot", "compression": "ZSTD"}, [Tier.HOT], [Compression.ZSTD]),
        ({"tiers": {"cold": {"s3": {"bucket": "shuffle"}}}}, [Tier.WARM, Tier.COLD], list(Compression)),
    ],
)
def test_a_live_job_uses_what_it_names(shuffle: Any, tiers: list[Tier], compressions: list[Compression]) -> None:
    application = {"image": "spark", "mainApplicationFile": "local:///a.py", "checkpointLocation": "s3a://b/c"}
    job = to_job("iot/city", parse_spec({"application": application, "shuffle": shuffle}), live=True)
    assert (list(job.limits.tiers), list(job.limits.compressions)) == (tiers, compressions)
    assert job.initial.tier is tiers[0]
