"""What a live job's condition Ready says, from its pods and its driver's report."""

from typing import Any

import pytest
from support_spark import report, wire_query

from sparkiot_operator.resource.status import DriverStatus, Phase
from sparkiot_operator.spark.causes import Cause
from sparkiot_operator.spark.diagnosis import DriverState, DriverView, ExecutorsView, PodView
from sparkiot_operator.spark.health import health
from sparkiot_operator.spark.lifecycle import Plan, Step

RUN = Plan(Step.RUN, Phase.RUNNING, "Running", "the driver runs", DriverStatus(pod="city-driver"))
UP = DriverView(state=DriverState.RUNNING, pod_ip="10.0.0.1", ready=True)
SEEN = PodView(driver=UP, executors=ExecutorsView())


def test_a_job_with_an_active_query_is_ready() -> None:
    found = health(RUN, SEEN, report(1.0, queries=[wire_query()]))
    assert (found.phase, found.reason, found.ready) == (Phase.RUNNING, "Running", True)


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"state": "Starting"}, "DriverStarting", "starting"),
        ({"state": "Restarting"}, "Restarting", "checkpoint"),
        ({"queries": []}, "Starting", "no active streaming query"),
        ({"queries": [wire_query(active=False, exception="no space left", name="traffic")]}, "QueryFailed", "no space"),
    ],
)
def test_a_driver_that_does_not_process_says_why(changes: dict[str, Any], reason: str, said: str) -> None:
    found = health(RUN, SEEN, report(1.0, **{"queries": [wire_query()], **changes}))
    assert (found.reason, found.ready) == (reason, False)
    assert said in found.message


def test_an_endpoint_that_cannot_be_reached_is_told_once_the_pod_is_ready() -> None:
    assert health(RUN, SEEN, None, unreachable="no route to host").reason == "DriverUnreachable"
    early = PodView(driver=DriverView(state=DriverState.RUNNING), executors=ExecutorsView())
    assert health(RUN, early, None, unreachable="connection refused").reason == "DriverStarting"


def test_a_silent_node_and_executors_without_an_image_are_told() -> None:
    silent = PodView(
        driver=DriverView(state=DriverState.RUNNING, reason="NodeSilent", message="node n1 no longer reports"),
        executors=ExecutorsView(),
    )
    assert health(RUN, silent, report(1.0, queries=[wire_query()])).reason == "NodeSilent"
    cause = Cause("ImagePullBackOff", "executor pod x: image y cannot be pulled")
    blocked = PodView(driver=UP, executors=ExecutorsView(pending=1, cause=cause))
    none_runs = report(1.0, queries=[wire_query()], executors={"running": 0, "pending": 1})
    assert health(RUN, blocked, none_runs).reason == "ImagePullBackOff"
    one_runs = report(1.0, queries=[wire_query()], executors={"running": 1, "pending": 1})
    assert health(RUN, blocked, one_runs).ready
