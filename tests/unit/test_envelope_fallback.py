"""When the fallback rule acts instead of the policy."""

from typing import Any

import pytest
from support_jobs import NOW, Scripted, allocation, evaluation, job

from sparkiot_policies.decision import FallbackCode
from sparkiot_policies.envelope import fallback_reason
from sparkiot_policies.history import Fallback, ScaleUp
from sparkiot_policies.job import Job

POLICY = Scripted(allocation(), name="default")
UP = ScaleUp(time=NOW - 600, executors=4, processing_rate=400.0, workload_rate=500.0)


def reason(j: Job | None = None, **known: Any) -> FallbackCode | None:
    return fallback_reason(j or job(), evaluation(**known), POLICY)[0]


def saturated(**changes: Any) -> dict[str, Any]:
    """4 to 8 executors doubled nothing: batches of 12 s every 10 s, late, under the same load."""
    known = {
        "last_scale_up": UP,
        "running": 8,
        "processing_rate": 420.0,
        "workload_rate": 500.0,
        "batch_duration": 12.0,
        "trigger_interval": 10.0,
        "latency": 22_000.0,
        "startup": 45.0,
    }
    return known | changes


def test_a_healthy_policy_acts() -> None:
    assert fallback_reason(job(), evaluation(), POLICY) == (None, "")


def test_out_of_distribution_names_the_elements() -> None:
    strange = Scripted(allocation(), strange=("cpu", "latency"), name="default")
    assert fallback_reason(job(), evaluation(), strange) == (
        FallbackCode.OUT_OF_DISTRIBUTION,
        "outside of what default was trained on: cpu, latency",
    )


def test_a_fallback_stays_with_its_reason_until_it_ends() -> None:
    lasting = Fallback(FallbackCode.POLICY_FAILED, "the graph is damaged", until=NOW + 1)
    assert fallback_reason(job(), evaluation(fallback=lasting), POLICY) == (
        FallbackCode.POLICY_FAILED,
        "the graph is damaged",
    )
    over = Fallback(FallbackCode.POLICY_FAILED, "the graph is damaged", until=NOW)
    assert reason(fallback=over) is None


def test_a_scale_up_that_adds_less_than_a_tenth_of_its_promise_is_ineffective() -> None:
    assert fallback_reason(job(), evaluation(**saturated()), POLICY) == (
        FallbackCode.INEFFECTIVE,
        "4 to 8 executors should add 400 messages/s to the processing rate, 20 came",
    )
    assert reason(**saturated(processing_rate=440.0)) is None


@pytest.mark.parametrize(
    "excuse",
    [
        {"last_scale_up": None},
        {"last_scale_up": ScaleUp(NOW - 164, 4, 400.0, 500.0)},  # 45 s to start, 120 s to measure
        {"last_scale_up": ScaleUp(NOW - 600, 4, None, 500.0)},
        {"running": 4},  # the executors never came
        {"running": None},
        {"processing_rate": None},
        {"workload_rate": 449.0},  # the load has dropped
        {"workload_rate": None},
        {"batch_duration": 9.0},  # there is time to spare: more capability was not asked for
        {"batch_duration": None},
        {"trigger_interval": None},
        {"latency": 900.0},  # the objective is met
        {"latency": None},
        {"disrupted": True},  # some of the window had fewer executors
    ],
)
def test_a_scale_up_is_judged_only_under_need(excuse: dict[str, Any]) -> None:
    assert reason(**saturated(**excuse)) is None


def test_without_a_measured_startup_a_minute_is_given() -> None:
    young = ScaleUp(NOW - 179, 4, 400.0, 500.0)
    assert reason(**saturated(last_scale_up=young, startup=None)) is None
    old = ScaleUp(NOW - 180, 4, 400.0, 500.0)
    assert reason(**saturated(last_scale_up=old, startup=None)) is FallbackCode.INEFFECTIVE
