"""What makes a driver restart, and when the next one follows a failure."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_spark import driver_request, live_spec

from sparkiot_operator.resource.spec import RestartPolicy
from sparkiot_operator.spark import naming
from sparkiot_operator.spark.manifests import build_objects
from sparkiot_operator.spark.restart_fields import (
    changed_fields,
    read_annotation,
    restart_fields,
    spec_hash,
    write_annotation,
)
from sparkiot_operator.spark.restart_policy import GiveUp, Restart, backoff_s, next_start

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"image": "spark:other"}, ["spec.application.image"]),
        ({"arguments": ["--fast"]}, ["spec.application.arguments"]),
        ({"driver": {"memory": "2Gi"}}, ["spec.application.driver.memory"]),
        ({"executor": {"template": {"spec": {}}}}, ["spec.application.executor.template"]),
        (
            {"sparkConf": {"spark.a": "2", "spark.c": "1"}},
            ["spec.application.sparkConf.spark.a", "spec.application.sparkConf.spark.c"],
        ),
        ({"serviceAccountName": "roads"}, ["spec.application.serviceAccountName"]),
        (
            {"shuffle": {"tiers": {"warm": {"volume": {"hostPath": "/mnt/other"}}}}},
            ["spec.shuffle.tiers.warm"],
        ),
    ],
)
def test_a_field_that_needs_a_restart_is_named(change: dict[str, Any], fields: list[str]) -> None:
    before = live_spec(sparkConf={"spark.a": "1"})
    after = live_spec(**({"sparkConf": {"spark.a": "1"}} | change))
    assert changed_fields(restart_fields(before), after) == fields
    assert spec_hash(before) != spec_hash(after)


@pytest.mark.parametrize(
    "spec",
    [
        live_spec(scaling={"executors": {"min": 3, "max": 9}, "mode": "Paused"}),
        live_spec(shuffle={"tier": "Hot", "compression": "ZSTD"}),
        live_spec(sparkConf={}, arguments=[], driver={"template": {}, "memory": "1Gi"}),
    ],
)
def test_the_rest_is_applied_to_the_running_driver(spec: Any) -> None:
    assert spec_hash(spec) == spec_hash(live_spec())
    assert changed_fields(restart_fields(live_spec()), spec) == []


def test_a_default_that_is_stated_or_comes_with_a_release_restarts_nothing() -> None:
    plain = live_spec(shuffle={"tiers": {"warm": {"volume": {"hostPath": "/mnt/nvme"}}}})
    stated = live_spec(shuffle={"tiers": {"warm": {"volume": {"hostPath": "/mnt/nvme", "shared": False}}}})
    assert changed_fields(restart_fields(plain), stated) == []


def test_the_pod_carries_what_names_the_change() -> None:
    annotations = build_objects(driver_request()).pod["metadata"]["annotations"]
    fields = read_annotation(annotations[naming.RESTART_FIELDS_ANNOTATION])
    assert fields == restart_fields(live_spec())
    assert annotations[naming.SPEC_HASH_ANNOTATION] == spec_hash(live_spec())


def test_the_annotation_holds_no_value() -> None:
    spec = live_spec(sparkConf={"spark.hadoop.fs.s3a.secret.key": "correct horse"}, arguments=["battery staple"])
    text = write_annotation(restart_fields(spec))
    assert "correct" not in text
    assert "battery" not in text
    assert "spark.hadoop.fs.s3a.secret.key" in text


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"a": 1}'])
def test_another_annotation_is_none_of_ours(text: str | None) -> None:
    assert read_annotation(text) is None


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_an_annotation_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    assert read_annotation(write_annotation(fields)) == fields
    assert json.loads(write_annotation(fields)) == fields


def policy(**fields: Any) -> RestartPolicy:
    return RestartPolicy.model_validate(fields)


def test_waits_double_up_to_five_minutes() -> None:
    waits = [backoff_s(policy(backoff="10s"), failures) for failures in range(1, 8)]
    assert waits == [10, 20, 40, 80, 160, 300, 300]
    assert backoff_s(policy(backoff="10m"), 3) == 600


@given(failures=st.integers(1, 10_000), more=st.integers(0, 10_000), backoff=st.integers(0, 2000))
def test_a_later_failure_never_waits_less_nor_past_the_cap(failures: int, more: int, backoff: int) -> None:
    chosen = policy(backoff=f"{backoff}s")
    assert 0 <= backoff_s(chosen, failures) <= backoff_s(chosen, failures + more) <= max(300, backoff)


@given(failures=st.integers(1, 50), retries=st.integers(0, 50), kind=st.sampled_from(["OnFailure", "Always"]))
def test_it_starts_again_as_often_as_the_policy_says(failures: int, retries: int, kind: str) -> None:
    verdict = next_start(policy(type=kind, maxRetries=retries), failures=failures, permanent=False, now=NOW)
    if failures > retries:
        assert isinstance(verdict, GiveUp)
    else:
        assert isinstance(verdict, Restart)
        assert verdict.at >= NOW


@pytest.mark.parametrize(
    ("kind", "permanent", "why"),
    [("Never", False, "Never"), ("OnFailure", True, "correct the job"), ("Always", True, "correct")],
)
def test_what_no_restart_mends_is_given_up_at_once(kind: str, permanent: bool, why: str) -> None:
    verdict = next_start(policy(type=kind), failures=1, permanent=permanent, now=NOW)
    assert isinstance(verdict, GiveUp)
    assert why in verdict.reason
