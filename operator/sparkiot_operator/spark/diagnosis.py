"""What one list of a job's pods says about its driver and its executors."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkiot_operator.resource import KIND
from sparkiot_operator.times import parse_timestamp

from . import naming
from .causes import (
    CONFIGURATION_EXIT,
    Cause,
    condition,
    disrupted,
    driver_failure,
    executor_failure,
    init_failure,
    node_cause,
    out_of_memory,
    unschedulable,
    waiting,
)
from .restart_fields import read_annotation

Json = Mapping[str, Any]


class DriverState(enum.Enum):
    ABSENT = enum.auto()
    PENDING = enum.auto()
    RUNNING = enum.auto()
    TERMINATING = enum.auto()
    SUCCEEDED = enum.auto()
    FAILED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverView:
    """The driver pod.

    owner_uid: of the SparkIoTJob that owns it. restart_fields: as ``restart_fields`` gave them when it was made, None
    for a pod that does not carry them. ready: its endpoint answers. reason, message: why it is not running or why it
    failed; empty while it runs. started_at: of its container, epoch seconds. exit_code: of its container. permanent:
    a failure that no restart mends. out_of_memory: the kernel killed it for want of memory.
    """

    state: DriverState
    name: str | None = None
    uid: str | None = None
    owner_uid: str | None = None
    spec_hash: str | None = None
    restart_fields: Mapping[str, str] | None = None
    node: str | None = None
    pod_ip: str | None = None
    ready: bool = False
    started_at: float | None = None
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    permanent: bool = False
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Leaving:
    """An executor whose end is announced. application, executor: Spark's ids."""

    application: str
    executor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorsView:
    """Executor pods; those that are being deleted count nowhere but in ``out_of_memory`` and ``leaving``.

    unschedulable: of the pending ones, those for which the cluster has no room. out_of_memory: uids of the pods that
    the kernel killed for want of memory, for as long as they are listed. leaving: those that run and have to end, by
    what a drain of their node, a spot notice or a preemption leaves in a pod; also those that the driver itself takes
    away, which only the driver can tell apart. pods: all of them, as listed. cause: why one of them does not run, the
    first of: its image or configuration, no room, its last failure.
    """

    pending: int = 0
    running: int = 0
    unschedulable: int = 0
    out_of_memory: frozenset[str] = frozenset()
    pods: tuple[Json, ...] = ()
    leaving: tuple[Leaving, ...] = ()
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    driver: DriverView
    executors: ExecutorsView


def diagnose(pods: Sequence[Json]) -> PodView:
    """The view of one LIST of a job's pods (see ``naming.selector``), in any order."""
    by_component: dict[str | None, list[Json]] = {}
    for pod in pods:
        component = pod.get("metadata", {}).get("labels", {}).get(naming.COMPONENT_LABEL)
        by_component.setdefault(component, []).append(pod)
    drivers = by_component.get(naming.DRIVER, [])
    executors = by_component.get(naming.EXECUTOR, [])
    return PodView(
        driver=_driver(drivers[0]) if drivers else DriverView(state=DriverState.ABSENT),
        executors=_executors(sorted(executors, key=lambda pod: str(pod["metadata"].get("name")))),
    )


def _driver(pod: Json) -> DriverView:
    metadata, status = pod["metadata"], pod.get("status", {})
    annotations = metadata.get("annotations") or {}
    container = _container(pod)
    ended = container.get("state", {}).get("terminated")
    cause, state = _state(pod, ended)
    ready = condition(pod, "Ready")
    started = (container.get("state", {}).get("running") or ended or {}).get("startedAt")
    exit_code = ended.get("exitCode") if ended else None
    return DriverView(
        state=DriverState.TERMINATING if metadata.get("deletionTimestamp") else state,
        name=metadata.get("name"),
        uid=metadata.get("uid"),
        owner_uid=_owner(metadata),
        spec_hash=annotations.get(naming.SPEC_HASH_ANNOTATION),
        restart_fields=read_annotation(annotations.get(naming.RESTART_FIELDS_ANNOTATION)),
        node=pod.get("spec", {}).get("nodeName"),
        pod_ip=status.get("podIP") or None,
        ready=state is DriverState.RUNNING and ready is not None and ready.get("status") == "True",
        started_at=parse_timestamp(started) if started else None,
        reason=cause.reason if cause else "",
        message=cause.message if cause else "",
        exit_code=exit_code,
        permanent=exit_code == CONFIGURATION_EXIT,
        out_of_memory=out_of_memory(pod),
    )


def _state(pod: Json, ended: Json | None) -> tuple[Cause | None, DriverState]:
    """By the driver's own container: another one that a template adds may outlive it, and the pod's phase with it."""
    phase = pod.get("status", {}).get("phase")
    what = "the driver pod"
    if phase == "Failed" or (ended is not None and ended.get("exitCode") != 0):
        return _failure(pod, ended, what), DriverState.FAILED
    if phase == "Succeeded" or ended is not None:
        return None, DriverState.SUCCEEDED
    if phase == "Running" and _container(pod).get("state", {}).get("running"):
        return _silent_node(pod), DriverState.RUNNING
    cause = unschedulable(pod, what) or waiting(pod, what) or init_failure(pod, what)
    return cause or Cause("DriverStarting", "the driver pod starts"), DriverState.PENDING


def _failure(pod: Json, ended: Json | None, what: str) -> Cause:
    if ended is not None and (ended.get("reason") == "OOMKilled" or ended.get("exitCode") == CONFIGURATION_EXIT):
        return driver_failure(ended, memory=_memory_limit(pod))
    if found := node_cause(pod, what) or init_failure(pod, what):
        return found
    if ended is not None:
        return driver_failure(ended, memory=_memory_limit(pod))
    status = pod.get("status", {})
    return Cause("DriverFailed", f"{what} failed: {status.get('message') or status.get('reason') or 'no details'}")


def _silent_node(pod: Json) -> Cause | None:
    """A pod whose node stopped reporting still says that it runs."""
    ready = condition(pod, "Ready")
    if ready is None or ready.get("reason") != "NodeStatusUnknown":
        return None
    node = pod.get("spec", {}).get("nodeName") or "unknown"
    return Cause("NodeSilent", f"node {node} of the driver pod no longer reports; whether the driver runs is unknown")


def _executors(pods: Sequence[Json]) -> ExecutorsView:
    live = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    pending = [pod for pod in live if pod.get("status", {}).get("phase") == "Pending"]
    failed = [pod for pod in live if pod.get("status", {}).get("phase") == "Failed"]
    blocked = [found for pod in pending if (found := waiting(pod, _named(pod)))]
    unplaced = [found for pod in pending if (found := unschedulable(pod, _named(pod)))]
    broken = [found for pod in failed if (found := executor_failure(pod, _named(pod)))]
    return ExecutorsView(
        pending=len(pending),
        running=sum(pod.get("status", {}).get("phase") == "Running" for pod in live),
        unschedulable=len(unplaced),
        out_of_memory=frozenset(pod["metadata"].get("uid", "") for pod in pods if out_of_memory(pod)),
        pods=tuple(pods),
        leaving=tuple(end for pod in pods if (end := _leaving(pod))),
        cause=next(iter([*blocked, *unplaced, *broken[-1:]]), None),
    )


def _leaving(pod: Json) -> Leaving | None:
    """A pod that runs and has to end: whoever drains a node evicts its pods, and the API server marks these."""
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    application, executor = labels.get(naming.APPLICATION_LABEL), labels.get(naming.EXECUTOR_ID_LABEL)
    if pod.get("status", {}).get("phase") != "Running" or not application or not executor:
        return None
    return Leaving(application, executor) if disrupted(pod) or metadata.get("deletionTimestamp") else None


def _named(pod: Json) -> str:
    return f"executor pod {pod['metadata'].get('name')}"


def _container(pod: Json) -> Json:
    """Status of the driver's own container; empty before the kubelet wrote one."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return next((status for status in statuses if status.get("name") == naming.CONTAINER), {})


def _owner(metadata: Json) -> str | None:
    owners = metadata.get("ownerReferences") or []
    return next((owner.get("uid") for owner in owners if owner.get("kind") == KIND and owner.get("controller")), None)


def _memory_limit(pod: Json) -> str | None:
    for container in pod.get("spec", {}).get("containers") or []:
        if container.get("name") == naming.CONTAINER:
            limit = container.get("resources", {}).get("limits", {}).get("memory")
            return str(limit) if limit else None
    return None
