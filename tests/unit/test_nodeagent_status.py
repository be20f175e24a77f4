"""What a pod's status says, and whether a pod fits on the node."""

from typing import Any

import pytest

from sparkiot_sim.nodeagent.config import Address
from sparkiot_sim.nodeagent.scheduling import NodeSize, obstacle, requested
from sparkiot_sim.nodeagent.status import ContainerState, PodState, pod_status

ADDRESS = Address(pod_ip="127.70.0.2", host_ip="127.0.0.1")


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {item["type"]: item["status"] for item in status["conditions"]}


def test_a_pods_life() -> None:
    init, main = ContainerState("i", "x"), ContainerState("m", "x")
    pod = PodState(ADDRESS, "t0", [init], [main])
    status = pod_status(pod, {}, "t0")
    assert status["phase"] == "Pending"
    assert conditions(status) == {
        "PodScheduled": "True", "Initialized": "False", "ContainersReady": "False", "Ready": "False",
    }  # fmt: skip
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}

    init.run(7, "t1")
    init.end(code=0, signal=0, reason="Completed", message="", now="t2")
    main.run(8, "t3")
    main.ready = True
    status = pod_status(pod, status, "t3")
    assert status["phase"] == "Running"
    assert set(conditions(status).values()) == {"True"}
    since = {item["type"]: item["lastTransitionTime"] for item in status["conditions"]}
    assert since == {"PodScheduled": "t0", "Initialized": "t3", "ContainersReady": "t3", "Ready": "t3"}

    main.end(code=137, signal=9, reason="OOMKilled", message="why", now="t4")
    pod.ended = True
    status = pod_status(pod, status, "t4")
    assert status["phase"] == "Failed"
    assert status["containerStatuses"][0]["state"]["terminated"] == {
        "exitCode": 137,
        "signal": 9,
        "reason": "OOMKilled",
        "message": "why",
        "startedAt": "t3",
        "finishedAt": "t4",
    }
    assert conditions(status)["Ready"] == "False"


def test_a_condition_of_somebody_else_is_kept() -> None:
    foreign = {"type": "example.com/gate", "status": "True", "lastTransitionTime": "t"}
    status = pod_status(PodState(ADDRESS, "t0", [], [ContainerState("m", "x")]), {"conditions": [foreign]}, "t1")
    assert foreign in status["conditions"]


def test_a_failed_init_container_fails_the_pod() -> None:
    init = ContainerState("i", "x")
    init.end(code=1, signal=0, reason="Error", message="", now="t1")
    assert pod_status(PodState(ADDRESS, "t0", [init], [ContainerState("m", "x")], ended=True), {}, "t1")["phase"] == (
        "Failed"
    )


def pod(memory: str, cpu: str = "1", **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"resources": {"requests": {"memory": memory, "cpu": cpu}}}], **spec}}


def test_what_a_pod_requests() -> None:
    both = pod("1Gi")
    both["spec"]["containers"].append({"resources": {"limits": {"memory": "512Mi"}}})
    both["spec"]["initContainers"] = [{"resources": {"requests": {"cpu": "1500m"}}}]
    assert requested(both, "memory") == 1.5 * 2**30
    assert requested(both, "cpu") == 1.5


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (NodeSize(memory=3 * 2**30), ""),
        (NodeSize(memory=2**30), "0/1 nodes are available: 1 Insufficient memory. "),
        (NodeSize(memory=3 * 2**30, cpus=4), ""),
        (NodeSize(memory=2**30, cpus=3.5), "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. "),
    ],
)
def test_a_pod_that_does_not_fit_beside_the_others(size: NodeSize, expected: str) -> None:
    why = obstacle(pod("1Gi", "2"), [pod("1Gi", "2")], size, {})
    assert why.startswith(expected)
    assert bool(why) == bool(expected)


def test_a_pod_for_another_kind_of_node() -> None:
    picky = pod("1Mi", nodeSelector={"disk": "nvme"})
    assert "didn't match Pod's node affinity/selector" in obstacle(picky, [], NodeSize(), {})
    assert obstacle(picky, [], NodeSize(), {"disk": "nvme"}) == ""
