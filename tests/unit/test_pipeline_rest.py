"""When the demo's job is at rest."""

from typing import Any

import pytest

from sparkiot_operator.pipeline.rest import Rest

QUIET = {
    "allocation": {"executors": 1},
    "replicas": 1,
    "decision": {"reason": "Steady"},
    "latency": {"observed": "8.5s"},
}


def rest() -> Rest:
    return Rest(least_s=10.0, target_s=18.0)


def test_it_takes_a_while_of_nothing() -> None:
    found = rest()
    assert found.missing(0.0) == "nobody has looked"
    for now in (100.0, 105.0):
        found.look(QUIET, alarm=False, now=now)
    assert found.missing(105.0) == "at rest for 5 s of 10"
    found.look(QUIET, alarm=False, now=110.0)
    assert found.missing(110.0) == ""


@pytest.mark.parametrize(
    ("changes", "alarm", "missing"),
    [
        ({"allocation": {"executors": 2}}, False, "executors: 2 wanted, 1 at work"),
        ({"replicas": 2}, False, "executors: 1 wanted, 2 at work"),
        ({"allocation": None}, False, "executors: None wanted, 1 at work"),
        ({"decision": {"reason": "Held"}}, False, "the last decision is Held"),
        ({"latency": {"observed": "18.1s"}}, False, "the latency is 18.1s"),
        ({"latency": None}, False, "the latency is unknown"),
        ({}, True, "the edge has an alarm"),
        ({}, None, "the edge says nothing yet"),
    ],
)
def test_anything_else_begins_it_anew(changes: dict[str, Any], alarm: bool | None, missing: str) -> None:
    found = rest()
    found.look(QUIET, alarm=False, now=0.0)
    found.look(QUIET | changes, alarm=alarm, now=9.0)
    assert found.missing(9.0) == missing
    found.look(QUIET, alarm=False, now=10.0)
    assert found.missing(19.0) == "at rest for 9 s of 10"
    assert found.missing(20.0) == ""
