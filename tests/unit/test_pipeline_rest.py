"""When the demo's job is at rest."""

from typing import Any

import pytest

from sparkiot_operator.pipeline.rest import Rest
from sparkiot_policies.decision import Reason

QUIET = {
    "allocation": {"executors": 1},
    "replicas": 1,
    # Of a status, the last decision that changed something.
    "decision": {"reason": "LoadFalling"},
    "latency": {"observed": "8.5s"},
}


def rest() -> Rest:
    return Rest(least_s=10.0, target_s=18.0)


def test_it_takes_a_while_of_nothing() -> None:
    found = rest()
    assert found.missing(0.0) == "nobody has looked"
    for now in (100.0, 105.0):
        found.look(QUIET, reason=Reason.STEADY, alarm=False, now=now)
    assert found.missing(105.0) == "at rest for 5 s of 10"
    found.look(QUIET, reason=Reason.STEADY, alarm=False, now=110.0)
    assert found.missing(110.0) == ""


@pytest.mark.parametrize(
    ("changes", "reason", "alarm", "missing"),
    [
        ({"allocation": {"executors": 2}}, Reason.STEADY, False, "executors: 2 wanted, 1 at work"),
        ({"replicas": 2}, Reason.STEADY, False, "executors: 1 wanted, 2 at work"),
        ({"allocation": None}, Reason.STEADY, False, "executors: None wanted, 1 at work"),
        ({}, Reason.HELD, False, "the last decision is Held"),
        ({}, None, False, "nothing was decided yet"),
        ({"latency": {"observed": "18.1s"}}, Reason.STEADY, False, "the latency is 18.1s"),
        ({"latency": None}, Reason.STEADY, False, "the latency is unknown"),
        ({}, Reason.STEADY, True, "the edge has an alarm"),
        ({}, Reason.STEADY, None, "the edge says nothing yet"),
    ],
)
def test_anything_else_begins_it_anew(
    changes: dict[str, Any], reason: Reason | None, alarm: bool | None, missing: str
) -> None:
    found = rest()
    found.look(QUIET, reason=Reason.STEADY, alarm=False, now=0.0)
    found.look(QUIET | changes, reason=reason, alarm=alarm, now=9.0)
    assert found.missing(9.0) == missing
    found.look(QUIET, reason=Reason.STEADY, alarm=False, now=10.0)
    assert found.missing(19.0) == "at rest for 9 s of 10"
    assert found.missing(20.0) == ""
