"""Why a pod does not run, in words for people: from what scheduler and kubelet wrote into its status."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import naming

Json = Mapping[str, Any]

CONFIGURATION_EXIT = 78
"""Exit code of our runtime for what no repetition mends (EX_CONFIG)."""
EXECUTORS_EXIT = 11
"""Exit code of Spark when more executors failed than spark.executor.maxNumFailures."""
MAX_MESSAGE = 3000

_IMAGE = {
    "ErrImagePull": "ImagePullBackOff",  # the two alternate; one name, so that a condition does not flicker
    "ImagePullBackOff": "ImagePullBackOff",
    "InvalidImageName": "InvalidImageName",
    "ErrImageNeverPull": "ErrImageNeverPull",
    "ImageInspectError": "ImageInspectError",
    "RegistryUnavailable": "RegistryUnavailable",
    "SignatureValidationFailed": "SignatureValidationFailed",
}
_CONFIGURATION = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_CANNOT_RUN = frozenset({"ContainerCannotRun", "StartError"})
_NODE = {
    "Evicted": "the node evicted it",
    "NodeLost": "its node was lost",
    "NodeShutdown": "its node was shut down",
    "Shutdown": "its node was shut down",
    "Terminated": "its node was shut down",
    "Preempting": "a pod of higher priority took its place",
    "DeadlineExceeded": "its activeDeadlineSeconds passed",
    "EvictionByEvictionAPI": "it was evicted through the API, as a drain of its node does",
    "PreemptionByScheduler": "a pod of higher priority took its place",
    "DeletionByTaintManager": "its node has a taint that it does not tolerate",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "the node ended it, being short of resources or shut down",
}
_SIGNALS = {129: "SIGHUP", 130: "SIGINT", 134: "SIGABRT", 137: "SIGKILL", 139: "SIGSEGV", 143: "SIGTERM"}


@dataclass(frozen=True, slots=True)
class Cause:
    """reason: stable, CamelCase. message: what is wrong, where, and what to do."""

    reason: str
    message: str


def unschedulable(pod: Json, what: str) -> Cause | None:
    """Why no node takes the pod; None when one did or nobody tried yet. what: such as ``the driver pod``."""
    found = condition(pod, "PodScheduled")
    if (
        found is None
        or found.get("status") != "False"
        or found.get("reason") not in ("Unschedulable", "SchedulingGated")
    ):
        return None
    return Cause(found["reason"], f"no node takes {what}: {found.get('message') or 'the scheduler gave no reason'}")


def waiting(pod: Json, what: str) -> Cause | None:
    """Why a container of the pod cannot start; None while it is only under way."""
    for status in container_statuses(pod):
        state = status.get("state", {}).get("waiting") or {}
        reason, said = state.get("reason", ""), state.get("message") or "no details"
        container, image = status.get("name", ""), status.get("image") or _image(pod, status.get("name", ""))
        if reason in _IMAGE:
            do = (
                "the init container's image is the operator's setting runtime_image"
                if container == naming.INIT_CONTAINER
                else "check spec.application.image, and imagePullSecrets for a private registry"
            )
            return Cause(_IMAGE[reason], f"{what}: image {image} cannot be pulled: {said}; {do}")
        if reason in _CONFIGURATION:
            return Cause(reason, f"{what}: container {container} cannot be created: {said}")
        if reason == "CrashLoopBackOff":
            last = (status.get("lastState", {}).get("terminated")) or {}
            return Cause(reason, f"{what}: container {container} keeps failing: {_exit(last)}")
    return None


def node_cause(pod: Json, what: str) -> Cause | None:
    """What the node or the control plane did to the pod; None when its end was its own."""
    status = pod.get("status", {})
    target = (condition(pod, "DisruptionTarget") or {}) if disrupted(pod) else {}
    for reason, said in (
        (status.get("reason"), status.get("message")),
        (target.get("reason"), target.get("message")),
    ):
        if reason in _NODE:
            return Cause(reason, f"{what} ended: {_NODE[reason]}" + (f": {said}" if said else ""))
        if reason and str(reason).startswith(("OutOf", "UnexpectedAdmission", "NodeAffinity", "NodePorts")):
            return Cause(reason, f"{what} was refused by its node: {said or reason}")
    return None


def disrupted(pod: Json) -> bool:
    """Whether the control plane or the node is about to end the pod, or did."""
    found = condition(pod, "DisruptionTarget")
    return found is not None and found.get("status") == "True"


def out_of_memory(pod: Json) -> bool:
    """Whether the kernel killed a container of the pod for want of memory."""
    return any(
        (s.get("state", {}).get("terminated") or {}).get("reason") == "OOMKilled" for s in container_statuses(pod)
    )


def init_failure(pod: Json, what: str) -> Cause | None:
    """Why an init container failed; None when none did."""
    for status in pod.get("status", {}).get("initContainerStatuses") or []:
        ended = status.get("state", {}).get("terminated")
        if ended and ended.get("exitCode"):
            name = status.get("name", "")
            return Cause("InitContainerFailed", f"{what}: init container {name} failed: {_exit(ended)}")
    return None


def driver_failure(ended: Json, *, memory: str | None) -> Cause:
    """Why the driver's container ended. ended: its ``terminated`` state. memory: its limit, for the advice."""
    code = ended.get("exitCode")
    if ended.get("reason") == "OOMKilled":
        limit = f" of {memory}" if memory else ""
        message = (
            f"the driver was killed: it used more than its memory limit{limit}; raise spec.application.driver.memory"
        )
        return Cause("DriverOutOfMemory", message)
    if ended.get("reason") in _CANNOT_RUN:
        said = ended.get("message") or "no details"
        return Cause("ContainerCannotRun", f"the driver's container cannot run, its image needs python3: {said}")
    if told := _told(ended.get("message")):
        return told
    if code == EXECUTORS_EXIT:
        message = "Spark gave up: more executors failed than spark.executor.maxNumFailures allows; see their events"
        return Cause("ExecutorsKeepFailing", message)
    if code == CONFIGURATION_EXIT:
        return Cause("InvalidConfiguration", f"the driver refused its configuration: {_exit(ended)}")
    return Cause("DriverFailed", f"the driver failed: {_exit(ended)}; see kubectl logs of the driver pod")


def executor_failure(pod: Json, what: str) -> Cause | None:
    """Why an executor ended; None for one that was asked to, or whose end left no trace."""
    if found := node_cause(pod, what) or init_failure(pod, what):
        return found
    for status in container_statuses(pod):
        ended = status.get("state", {}).get("terminated")
        if ended and ended.get("reason") == "OOMKilled":
            return Cause("ExecutorOutOfMemory", f"{what} was killed: it used more than its memory limit")
        if ended and ended.get("reason") in _CANNOT_RUN:
            said = ended.get("message") or "no details"
            return Cause("ContainerCannotRun", f"{what} cannot run: {said}")
        if ended and ended.get("exitCode"):
            return Cause("ExecutorFailed", f"{what} failed: {_exit(ended)}")
    return None


def container_statuses(pod: Json) -> Iterator[Json]:
    """Of init containers and containers, in the order in which they run."""
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def condition(pod: Json, kind: str) -> Json | None:
    conditions = pod.get("status", {}).get("conditions") or []
    return next((found for found in conditions if found.get("type") == kind), None)


def _told(message: object) -> Cause | None:
    """What our runtime left in the termination log."""
    try:
        found = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    reason, said = found.get("reason"), found.get("message")
    if not (isinstance(reason, str) and reason.isalnum() and isinstance(said, str) and said):
        return None
    return Cause(reason, said[:MAX_MESSAGE])


def _exit(ended: Json) -> str:
    code = ended.get("exitCode")
    signal = _SIGNALS.get(code) if isinstance(code, int) else None
    text = "unknown exit code" if code is None else f"exit code {code}" + (f" ({signal})" if signal else "")
    said = str(ended.get("message") or "").strip()
    return f"{text}: {said[-MAX_MESSAGE:]}" if said else text


def _image(pod: Json, container: str) -> str:
    spec = pod.get("spec", {})
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return next((str(c.get("image")) for c in containers if c.get("name") == container), "unknown")
