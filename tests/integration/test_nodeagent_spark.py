"""A real Spark driver and real executors as pods of the embedded cluster, through Spark's own Kubernetes client.

The environment that runs the tests is the image; SPARKIOT_TEST_SPARKS names more, as interpreters joined by colons.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support_nodeagent import Node, Obj, main_state
from support_spark_pods import RULES, account, driver

from sparkiot_sim.nodeagent import LocalImage, cluster_with_node_in_thread

IMAGE = "spark:test"
SPARKS = [sys.executable, *filter(None, os.environ.get("SPARKIOT_TEST_SPARKS", "").split(":"))]
EXECUTORS = "spark-role=executor"


@pytest.fixture(params=SPARKS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    images = [LocalImage(IMAGE, Path(request.param))]
    with cluster_with_node_in_thread(kubeconfig=tmp_path / "kubeconfig", images=images) as cluster:
        yield Node(tmp_path / "kubeconfig", cluster)


def registered(node: Node) -> str:
    """The executors that the driver has last reported, joined by commas."""
    lines = [line for line in node.kubectl("logs", "driver").splitlines() if line.startswith("executors ")]
    return lines[-1].removeprefix("executors ") if lines else ""


def ready(pods: dict[str, Obj]) -> list[str]:
    return [name for name, pod in pods.items() if pod["status"].get("containerStatuses", [{}])[0].get("ready")]


def java_of(pod: Obj) -> psutil.Process:
    (status,) = pod["status"]["containerStatuses"]
    return psutil.Process(int(status["containerID"].removeprefix("process://")))


def test_executors_come_and_go(node: Node, tmp_path: Path) -> None:
    orders = tmp_path / "orders"

    def order(text: str) -> None:
        with orders.open("a") as file:
            file.write(text + "\n")

    node.apply(*account("default", rules=RULES), *driver("default", IMAGE, str(orders)))
    node.until("the driver starts", lambda: node.pod("driver")["status"]["phase"] == "Running")
    node.until("one executor", lambda: registered(node) == "1")
    order("total 2")
    node.until("two executors", lambda: registered(node) == "1,2")
    pods = node.pods(EXECUTORS)
    assert len(ready(pods)) == 2
    assert {pod["metadata"]["ownerReferences"][0]["name"] for pod in pods.values()} == {"driver"}
    order("count")
    node.until("work on executors", lambda: "counted 999000" in node.kubectl("logs", "driver").splitlines())
    assert "Finished task" in node.kubectl("logs", next(iter(pods)))

    order("decommission 2")
    (left,) = node.until("the second pod's end", lambda: (found := node.pods(EXECUTORS)) and len(found) == 1 and found)
    node.until("executor 2 has left Spark", lambda: registered(node) == "1")
    order("total 1")  # decommissioning has lowered Spark's own target

    java_of(node.pods(EXECUTORS)[left]).send_signal(signal.SIGKILL)
    node.until("another executor", lambda: registered(node) == "3")

    (last,) = ready(node.pods(EXECUTORS))
    java = java_of(node.pods(EXECUTORS)[last])
    node.kubectl("delete", "pod", "driver", "--force", "--grace-period=0")
    node.until("the executors of a driver that is gone", lambda: not node.pods(EXECUTORS))
    assert not java.is_running()

    assert node.cluster
    asked = Counter(
        (record.access.verb, record.access.full_resource)
        for record in node.cluster.requests.of("system:serviceaccount:default:spark")
    )
    granted = {(verb, rule["resources"][0]) for rule in RULES for verb in rule["verbs"]}
    assert asked.keys() <= granted
    assert {("create", "pods"), ("watch", "pods"), ("create", "configmaps")} <= asked.keys()


def test_a_driver_without_rights_says_so(node: Node, tmp_path: Path) -> None:
    node.apply(*account("default"), *driver("default", IMAGE, str(tmp_path / "orders")))
    pod = node.phase("driver", "Failed")
    assert main_state(pod)["terminated"]["exitCode"] == 1
    refusal = 'User \\"system:serviceaccount:default:spark\\" cannot get resource \\"pods\\" in API group \\"\\"'
    log = node.kubectl("logs", "driver").replace('"', '\\"').replace("\\\\", "\\")
    assert refusal in log
