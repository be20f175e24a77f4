"""Names and labels: valid whatever the job is called, the same each time, and never shared."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sparkiot_operator.spark import naming

SERVICE = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
LABEL = re.compile(r"^[a-zA-Z0-9]([-_.a-zA-Z0-9]*[a-zA-Z0-9])?$")

_PART = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?\Z")
JOBS = st.lists(_PART, min_size=1, max_size=6).map(".".join).filter(lambda name: len(name) <= 253)


def test_a_plain_name_is_kept() -> None:
    assert naming.base_name("city-traffic") == "city-traffic-driver"
    assert naming.label_value("city.traffic") == "city.traffic"
    assert naming.selector("city-traffic") == "sparkiot.dev/job=city-traffic"


def test_labels_are_the_standard_ones() -> None:
    assert naming.labels("city-traffic", naming.EXECUTOR) == {
        "app.kubernetes.io/name": "sparkiot-job",
        "app.kubernetes.io/instance": "city-traffic",
        "app.kubernetes.io/component": "executor",
        "app.kubernetes.io/managed-by": "sparkiot",
        "sparkiot.dev/job": "city-traffic",
    }


@given(JOBS)
def test_names_are_valid_for_any_job(job: str) -> None:
    base, label = naming.base_name(job), naming.label_value(job)
    assert len(base) <= 63
    assert SERVICE.match(base)
    assert base.endswith("-driver")
    assert len(label) <= 63
    assert LABEL.match(label)


@given(JOBS, JOBS)
def test_two_jobs_never_share_a_name(one: str, other: str) -> None:
    if one != other:
        assert naming.base_name(one) != naming.base_name(other)
        assert naming.label_value(one) != naming.label_value(other)


def test_names_that_differ_only_in_what_is_cut_or_replaced_stay_apart() -> None:
    long = "a" * 252
    names = ["a.b", "a-b", "1a", "job-1a", long + "b", long + "c", "a" * 56, "a" * 57]
    assert len({naming.base_name(name) for name in names}) == len(names)
    assert naming.base_name("a" * 56) == "a" * 56 + "-driver"
