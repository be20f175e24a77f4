"""The status of a pod from the states of its containers: pure functions, in a kubelet's words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.nodeagent.config import Address

MESSAGE_BYTES = 4096  # of a termination message, as a kubelet keeps


@dataclass
class ContainerState:
    """One container's state: it waits (with a reason) until `started_at` is set, runs until `terminated` is."""

    name: str
    image: str
    reason: str = "PodInitializing"
    message: str = ""
    started_at: str = ""
    pid: int = 0
    terminated: Obj | None = None
    last: Obj | None = None
    restarts: int = 0
    ready: bool = False

    @property
    def running(self) -> bool:
        return bool(self.started_at) and self.terminated is None

    def wait(self, reason: str, message: str = "") -> None:
        """Back to waiting; how it ended, if it did, becomes its last state."""
        self.last = self.terminated or self.last
        self.reason, self.message, self.started_at, self.terminated, self.ready = reason, message, "", None, False

    def run(self, pid: int, now: str) -> None:
        self.pid, self.started_at, self.terminated = pid, now, None

    def end(self, *, code: int, signal: int, reason: str, message: str, now: str) -> None:
        started = self.started_at or now
        self.ready, self.started_at = False, started
        self.terminated = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now}
        self.terminated |= {"signal": signal} if signal else {}
        self.terminated |= {"message": message} if message else {}

    def status(self) -> Obj:
        state: Obj
        if self.terminated is not None:
            state = {"terminated": self.terminated}
        elif self.started_at:
            state = {"running": {"startedAt": self.started_at}}
        else:
            state = {"waiting": {"reason": self.reason} | ({"message": self.message} if self.message else {})}
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"local://{self.image}",
            **({"containerID": f"process://{self.pid}"} if self.pid else {}),
            "state": state,
            "lastState": {"terminated": self.last} if self.last else {},
            "ready": self.ready,
            "started": self.running,
            "restartCount": self.restarts,
        }


@dataclass
class PodState:
    """What the status of a pod is made of. `ended` says that no container will run (again)."""

    address: Address
    started_at: str
    inits: list[ContainerState] = field(default_factory=list)
    containers: list[ContainerState] = field(default_factory=list)
    ended: bool = False
    reason: str = ""
    message: str = ""


def phase(state: PodState) -> str:
    """Failed when a container that is not to be restarted failed, Running once one has started."""
    if state.ended:
        codes = [item.terminated["exitCode"] if item.terminated else 137 for item in state.containers]
        return "Failed" if state.reason or any(codes) else "Succeeded"
    return "Running" if any(item.started_at or item.last for item in state.containers) else "Pending"


def pod_status(state: PodState, before: Obj, now: str) -> Obj:
    """The whole status; `before` is the last one, whose transition times and foreign conditions are kept."""
    now_phase = phase(state)
    initialized = all(item.terminated and item.terminated["exitCode"] == 0 for item in state.inits)
    unready = [item.name for item in state.containers if not item.ready]
    why = {"reason": "PodCompleted"} if now_phase == "Succeeded" else None
    why = why or {"reason": "PodFailed"} if now_phase in ("Succeeded", "Failed") else None
    not_ready = why or {"reason": "ContainersNotReady", "message": f"containers with unready status: {_names(unready)}"}
    incomplete = [item.name for item in state.inits if not (item.terminated and item.terminated["exitCode"] == 0)]
    not_initialized = {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: {_names(incomplete)}",
    }
    wanted = [
        _condition("PodScheduled", True),
        _condition("Initialized", initialized, not_initialized),
        _condition("ContainersReady", not unready, not_ready),
        _condition("Ready", not unready, not_ready),
    ]
    status = {
        "phase": now_phase,
        "conditions": merge_conditions(before.get("conditions") or [], wanted, now),
        "hostIP": state.address.host_ip,
        "hostIPs": [{"ip": state.address.host_ip}],
        "podIP": state.address.pod_ip,
        "podIPs": [{"ip": state.address.pod_ip}],
        "startTime": state.started_at,
        "initContainerStatuses": [item.status() for item in state.inits],
        "containerStatuses": [item.status() for item in state.containers],
        "qosClass": before.get("qosClass", "Burstable"),
        "reason": state.reason,
        "message": state.message,
    }
    return {key: value for key, value in status.items() if value not in ("", [])}


def merge_conditions(before: Sequence[Obj], wanted: Sequence[Obj], now: str) -> list[Obj]:
    """`wanted`, with the time of the last transition, and whatever else was there."""
    known = {item.get("type"): item for item in before}
    merged = []
    for condition in wanted:
        old = known.pop(condition["type"], {})
        same = old.get("status") == condition["status"]
        since: Any = old.get("lastTransitionTime") if same else now
        merged.append({**condition, "lastTransitionTime": since or now})
    return merged + list(known.values())


def _condition(kind: str, holds: bool, otherwise: Obj | None = None) -> Obj:
    return {"type": kind, "status": "True" if holds else "False", **({} if holds else otherwise or {})}


def _names(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"
