"""What is said of driver and executors, from pods as scheduler and kubelet write them."""

import itertools
import json
from typing import Any

import pytest
from support_spark import driver_pod, executor_pod

from sparkiot_operator.spark import naming
from sparkiot_operator.spark.diagnosis import DriverState, DriverView, Leaving, diagnose

Json = dict[str, Any]
STARTED = "2026-03-01T12:00:00Z"


def container(state: Json, *, name: str = naming.CONTAINER, **fields: Any) -> Json:
    return {"name": name, "image": "apache/spark:3.5.9", "state": state, "ready": False, "restartCount": 0, **fields}


def waiting(reason: str, message: str | None = None, *, name: str = naming.CONTAINER) -> Json:
    return container({"waiting": {"reason": reason, **({"message": message} if message else {})}}, name=name)


def terminated(code: int, reason: str = "Error", message: str | None = None, *, name: str = naming.CONTAINER) -> Json:
    state = {"exitCode": code, "reason": reason, "startedAt": STARTED, "finishedAt": STARTED}
    return container({"terminated": state | ({"message": message} if message else {})}, name=name)


def running(*, name: str = naming.CONTAINER) -> Json:
    return container({"running": {"startedAt": STARTED}}, name=name)


def ready(status: str = "True", **fields: Any) -> Json:
    return {"type": "Ready", "status": status, **fields}


def no_room(message: str = "0/3 nodes are available: 3 Insufficient memory.") -> Json:
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}


def driver(pod: Json) -> DriverView:
    return diagnose([pod]).driver


def test_no_pod() -> None:
    assert driver_state([]) is DriverState.ABSENT


def driver_state(pods: list[Json]) -> DriverState:
    return diagnose(pods).driver.state


def test_a_running_driver() -> None:
    status = {"conditions": [ready()], "containerStatuses": [running()], "podIP": "10.1.2.3"}
    view = driver(driver_pod(status=status))
    assert view == DriverView(
        state=DriverState.RUNNING,
        name="city-traffic-driver",
        uid="pod-1",
        owner_uid="job-1",
        spec_hash="abc",
        node="node-1",
        pod_ip="10.1.2.3",
        ready=True,
        started_at=1772366400.0,
    )


def test_a_driver_that_is_not_ready_yet() -> None:
    status = {"conditions": [ready("False")], "containerStatuses": [running()], "podIP": "10.1.2.3"}
    view = driver(driver_pod(status=status))
    assert (view.state, view.ready) == (DriverState.RUNNING, False)


def test_a_driver_on_a_node_that_went_silent() -> None:
    status = {"conditions": [ready("False", reason="NodeStatusUnknown")], "containerStatuses": [running()]}
    view = driver(driver_pod(status=status))
    assert (view.state, view.reason) == (DriverState.RUNNING, "NodeSilent")
    assert "node-1" in view.message


@pytest.mark.parametrize(
    ("status", "reason", "parts"),
    [
        ({}, "DriverStarting", ["starts"]),
        ({"conditions": [no_room()]}, "Unschedulable", ["no node takes the driver pod", "3 Insufficient memory"]),
        (
            {"containerStatuses": [waiting("ContainerCreating")]},
            "DriverStarting",
            ["starts"],
        ),
        (
            {"containerStatuses": [waiting("ErrImagePull", "manifest unknown")]},
            "ImagePullBackOff",
            ["apache/spark:3.5.9", "manifest unknown", "spec.application.image"],
        ),
        (
            {"containerStatuses": [waiting("ImagePullBackOff", 'Back-off pulling image "apache/spark:3.5.9"')]},
            "ImagePullBackOff",
            ["imagePullSecrets"],
        ),
        (
            {"containerStatuses": [waiting("InvalidImageName", "couldn't parse image name")]},
            "InvalidImageName",
            ["couldn't parse"],
        ),
        (
            {
                "initContainerStatuses": [waiting("ErrImagePull", "no such host", name=naming.INIT_CONTAINER)],
                "containerStatuses": [waiting("PodInitializing")],
            },
            "ImagePullBackOff",
            ["runtime_image", "no such host"],
        ),
        (
            {"containerStatuses": [waiting("CreateContainerConfigError", 'secret "s3" not found')]},
            "CreateContainerConfigError",
            ["spark-kubernetes-driver", 'secret "s3" not found'],
        ),
        (
            {
                "initContainerStatuses": [
                    terminated(1, message="cannot write /opt/sparkiot", name=naming.INIT_CONTAINER)
                ],
                "containerStatuses": [waiting("PodInitializing")],
            },
            "InitContainerFailed",
            ["sparkiot-runtime", "exit code 1", "cannot write"],
        ),
    ],
)
def test_why_a_driver_waits(status: Json, reason: str, parts: list[str]) -> None:
    view = driver(driver_pod(phase="Pending", status=status))
    assert (view.state, view.reason) == (DriverState.PENDING, reason)
    for part in parts:
        assert part in view.message


TOLD = json.dumps({"reason": "ApplicationFailed", "message": "ModuleNotFoundError: No module named 'kafka'"})
REFUSED = json.dumps({"reason": "SparkVersionMismatch", "message": "the image has Spark 3.4.1, the job says 3.5.9"})


@pytest.mark.parametrize(
    ("status", "reason", "parts", "permanent"),
    [
        ({"containerStatuses": [terminated(1, message=TOLD)]}, "ApplicationFailed", ["No module named 'kafka'"], False),
        ({"containerStatuses": [terminated(78, message=REFUSED)]}, "SparkVersionMismatch", ["3.4.1"], True),
        ({"containerStatuses": [terminated(78)]}, "InvalidConfiguration", ["exit code 78"], True),
        ({"containerStatuses": [terminated(11)]}, "ExecutorsKeepFailing", ["maxNumFailures"], False),
        (
            {"containerStatuses": [terminated(1, message="Traceback: boom")]},
            "DriverFailed",
            ["exit code 1", "boom", "kubectl logs"],
            False,
        ),
        ({"containerStatuses": [terminated(137)]}, "DriverFailed", ["SIGKILL"], False),
        (
            {"containerStatuses": [terminated(137, "OOMKilled")]},
            "DriverOutOfMemory",
            ["memory limit of 1Gi", "spec.application.driver.memory"],
            False,
        ),
        (
            {"containerStatuses": [terminated(128, "StartError", 'exec: "python3": executable file not found')]},
            "ContainerCannotRun",
            ["needs python3", "not found"],
            False,
        ),
        (
            {
                "reason": "Evicted",
                "message": "The node was low on resource: ephemeral-storage.",
                "containerStatuses": [terminated(137)],
            },
            "Evicted",
            ["ephemeral-storage"],
            False,
        ),
        (
            {
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                        "message": "preempting to accommodate a higher priority pod",
                    }
                ],
                "containerStatuses": [terminated(143, message=TOLD)],
            },
            "PreemptionByScheduler",
            ["higher priority"],
            False,
        ),
        ({"reason": "NodeLost", "message": "Node node-1 was unresponsive"}, "NodeLost", ["node-1"], False),
        (
            {"reason": "OutOfmemory", "message": "Pod was rejected: Node didn't have enough resource: memory"},
            "OutOfmemory",
            ["refused by its node"],
            False,
        ),
        (
            {"initContainerStatuses": [terminated(1, message="disk full", name=naming.INIT_CONTAINER)]},
            "InitContainerFailed",
            ["disk full"],
            False,
        ),
        ({}, "DriverFailed", ["no details"], False),
    ],
)
def test_why_a_driver_failed(status: Json, reason: str, parts: list[str], permanent: bool) -> None:
    view = driver(driver_pod(phase="Failed", status=status))
    assert (view.state, view.reason, view.permanent) == (DriverState.FAILED, reason, permanent)
    assert view.out_of_memory is (reason == "DriverOutOfMemory")
    for part in parts:
        assert part in view.message


@pytest.mark.parametrize("message", ["{", "[]", '{"reason": "No spaces please", "message": "x"}', '{"reason": "A"}'])
def test_a_foreign_termination_message_is_shown_as_it_is(message: str) -> None:
    view = driver(driver_pod(phase="Failed", status={"containerStatuses": [terminated(1, message=message)]}))
    assert view.reason == "DriverFailed"
    assert message in view.message


def test_a_driver_that_ended_by_itself() -> None:
    status = {"containerStatuses": [terminated(0, "Completed")]}
    view = driver(driver_pod(phase="Succeeded", status=status))
    assert (view.state, view.exit_code, view.reason) == (DriverState.SUCCEEDED, 0, "")


def test_a_sidecar_does_not_keep_a_driver_alive() -> None:
    for code, state in ((0, DriverState.SUCCEEDED), (1, DriverState.FAILED)):
        status = {"containerStatuses": [terminated(code), running(name="log-shipper")]}
        assert driver(driver_pod(status=status)).state is state


def test_a_pod_that_is_being_deleted_says_so_and_why_it_ended() -> None:
    pod = driver_pod(status={"containerStatuses": [running()]}, deletionTimestamp=STARTED)
    assert driver(pod).state is DriverState.TERMINATING
    pod = driver_pod(
        phase="Failed", status={"containerStatuses": [terminated(137, "OOMKilled")]}, deletionTimestamp=STARTED
    )
    assert (driver(pod).state, driver(pod).reason) == (DriverState.TERMINATING, "DriverOutOfMemory")


def test_a_pod_of_somebody_else_has_no_owner_of_ours() -> None:
    view = driver(driver_pod(ownerReferences=[{"kind": "Job", "uid": "other", "controller": True}], annotations=None))
    assert (view.owner_uid, view.spec_hash, view.restart_fields) == (None, None, None)


EXECUTORS = [
    executor_pod(1),
    executor_pod(2),
    executor_pod(3, phase="Pending", status={"conditions": [no_room()]}),
    executor_pod(4, phase="Pending"),
    executor_pod(
        5,
        phase="Failed",
        status={"containerStatuses": [terminated(137, "OOMKilled", name=naming.EXECUTOR_CONTAINER)]},
    ),
    executor_pod(6, deletionTimestamp=STARTED),
]


def test_executors_are_counted_in_any_order() -> None:
    for order in itertools.islice(itertools.permutations(EXECUTORS), 0, 720, 37):
        view = diagnose([*order, driver_pod()]).executors
        assert (view.running, view.pending, view.unschedulable) == (2, 2, 1)
        assert view.out_of_memory == frozenset({"exec-5"})
        assert view.cause is not None
        assert view.cause.reason == "Unschedulable"


EVICTED = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}]}
SPARED = {"conditions": [{"type": "DisruptionTarget", "status": "False", "reason": "EvictionByEvictionAPI"}]}


@pytest.mark.parametrize(
    ("phase", "status", "metadata", "leaves"),
    [
        ("Running", EVICTED, {}, True),
        ("Running", {}, {"deletionTimestamp": STARTED}, True),
        ("Running", {}, {}, False),
        ("Running", SPARED, {}, False),
        ("Pending", EVICTED, {}, False),  # it is asked for again anyway
        ("Failed", EVICTED, {"deletionTimestamp": STARTED}, False),
    ],
)
def test_executors_that_have_to_end_are_named_as_spark_names_them(
    phase: str, status: Json, metadata: Json, leaves: bool
) -> None:
    pod = executor_pod(7, phase=phase, status=status, **metadata)
    pod["metadata"]["labels"] |= {"spark-app-selector": "spark-1", "spark-exec-id": "3"}
    found = diagnose([pod, driver_pod()]).executors.leaving
    assert found == ((Leaving("spark-1", "3"),) if leaves else ())


@pytest.mark.parametrize(
    ("phase", "status", "reason", "part"),
    [
        (
            "Pending",
            {"containerStatuses": [waiting("ImagePullBackOff", "denied", name=naming.EXECUTOR_CONTAINER)]},
            "ImagePullBackOff",
            "denied",
        ),
        (
            "Failed",
            {"containerStatuses": [terminated(127, message="executor: not found", name=naming.EXECUTOR_CONTAINER)]},
            "ExecutorFailed",
            "exit code 127: executor: not found",
        ),
        (
            "Failed",
            {"containerStatuses": [terminated(128, "StartError", "no such file", name=naming.EXECUTOR_CONTAINER)]},
            "ContainerCannotRun",
            "no such file",
        ),
        ("Failed", {"reason": "Evicted", "message": "low on memory"}, "Evicted", "low on memory"),
        (
            "Failed",
            {"containerStatuses": [terminated(137, "OOMKilled", name=naming.EXECUTOR_CONTAINER)]},
            "ExecutorOutOfMemory",
            "memory limit",
        ),
    ],
)
def test_why_an_executor_does_not_run(phase: str, status: Json, reason: str, part: str) -> None:
    cause = diagnose([executor_pod(1, phase=phase, status=status)]).executors.cause
    assert cause is not None
    assert cause.reason == reason
    assert "city-traffic-abc-exec-1" in cause.message
    assert part in cause.message


def test_executors_that_run_or_ended_well_need_no_words() -> None:
    done = executor_pod(2, phase="Succeeded")
    assert diagnose([executor_pod(1), done]).executors.cause is None
