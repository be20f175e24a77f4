"""The `log` subresource of pods: which container's log is meant, and how much of it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sparkiot_sim.devcluster.errors import ApiError, Obj, bad_request

_TRUE = ("true", "True", "1")
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """tail_lines: only the last ones, None for all; since_seconds: only those that are not older."""

    container: str
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None


class LogSource(Protocol):
    """Whoever keeps the logs of pods."""

    def log(self, pod: Obj, options: LogOptions) -> AsyncIterator[bytes]:
        """Chunks of a container's log, until its end, or, to follow it, until the container ends."""


def log_options(pod: Obj, query: Mapping[str, str]) -> LogOptions:
    """What a request asks for. Raises ApiError 400 for a container that the pod lacks or that has not started."""
    spec = pod["spec"]
    inits = [item["name"] for item in spec.get("initContainers") or ()]
    own = [item["name"] for item in spec["containers"]]
    names, pod_name = [*inits, *own], pod["metadata"]["name"]
    name = query.get("container") or (pod["metadata"].get("annotations") or {}).get(_DEFAULT_CONTAINER)
    if not name and len(names) > 1:
        shown = f"[{' '.join(own)}]" + (f" or one of the init containers: [{' '.join(inits)}]" if inits else "")
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: {shown}")
    name = name or own[0]
    if name not in names:
        raise bad_request(f"container {name} is not valid for pod {pod_name}")
    options = LogOptions(
        container=name,
        follow=query.get("follow") in _TRUE,
        previous=query.get("previous") in _TRUE,
        timestamps=query.get("timestamps") in _TRUE,
        tail_lines=_number(query, "tailLines"),
        since_seconds=_number(query, "sinceSeconds"),
    )
    _require_started(pod, options)
    return options


def _require_started(pod: Obj, options: LogOptions) -> None:
    status, name = pod.get("status") or {}, options.container
    states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    found: Any = next((item for item in states if item["name"] == name), {})
    state, last = found.get("state") or {}, (found.get("lastState") or {}).get("terminated")
    where = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
    if options.previous and not last:
        raise bad_request(f"previous terminated {where} not found")
    if not last and "running" not in state and "terminated" not in state:
        reason = (state.get("waiting") or {}).get("reason") or "ContainerCreating"
        raise bad_request(f"{where} is waiting to start: {reason}")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise bad_request(f"Invalid value: {text!r}: {name} must be a non-negative integer")
    return int(text)


def unavailable() -> ApiError:
    return ApiError(500, "InternalError", "Internal error occurred: no node agent runs, so there are no logs to read")
