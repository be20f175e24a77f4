"""Jobs, evaluations and decisions survive JSON exactly."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from support_jobs import Scripted, allocation, evaluation, job
from support_strategies import allocations, evaluations, jobs

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.codec import (
    decode_decision,
    decode_evaluation,
    decode_job,
    encode_decision,
    encode_evaluation,
    encode_job,
)
from sparkiot_policies.decide import decide
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.rules import Rate


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(data, allow_nan=False))


@given(jobs)
def test_a_job_round_trips(j: Job) -> None:
    assert decode_job(through_json(encode_job(j))) == j


@given(evaluations)
def test_an_evaluation_round_trips(e: Evaluation) -> None:
    assert decode_evaluation(through_json(encode_evaluation(e))) == e


@given(jobs, evaluations, allocations)
def test_a_decision_round_trips_and_is_made_again(j: Job, e: Evaluation, proposal: Allocation) -> None:
    d = decide(j, e, Scripted(proposal), fallback=Rate())
    assert decode_decision(through_json(encode_decision(d))) == d
    read_job, read_evaluation = decode_job(encode_job(j)), decode_evaluation(encode_evaluation(e))
    assert decide(read_job, read_evaluation, Scripted(proposal), fallback=Rate()) == d


def test_infinities_are_text_and_missing_is_null() -> None:
    encoded = encode_evaluation(evaluation(age_s=math.inf, cpu=None))
    assert (encoded["age_s"], encoded["history"]["restarted"]) == ("Infinity", "-Infinity")
    assert encoded["observation"]["cpu"] is None
    assert encoded["history"]["allocation"] == {
        "executors": 4,
        "memory_mib": 2048,
        "tier": "Warm",
        "compression": "LZ4",
    }


def test_nan_is_refused_both_ways_and_named() -> None:
    with pytest.raises(ValueError, match=r"observation\.cpu is not a number"):
        encode_evaluation(evaluation(cpu=math.nan))
    encoded = encode_evaluation(evaluation(cpu=5.0))
    for nan in (math.nan, "NaN"):
        encoded["observation"]["cpu"] = nan
        with pytest.raises(ValueError, match=r"observation\.cpu is not a number"):
            decode_evaluation(encoded)
    assert decode_job(encode_job(job(name="NaN"))).name == "NaN"


@pytest.mark.parametrize(
    "damage", [{"now": None}, {"history": {}}, {"weights": {"cost": 1, "latency": 1, "throughput": 1}}]
)
def test_damaged_data_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(damage))):
        decode_evaluation(encode_evaluation(evaluation()) | damage)


def test_contradicting_limits_are_refused() -> None:
    encoded = encode_job(replace(job(), initial=allocation()))
    encoded["limits"]["max_executors"] = 0
    with pytest.raises(ValueError, match="min 1 must be from 1 to max 0"):
        decode_job(encoded)
