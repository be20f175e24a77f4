"""What the server knows of pods: shape and defaults, how long a deleted one may go on, what kubectl prints."""

from collections import Counter
from typing import Any, Protocol

from sparkiot_sim.devcluster.errors import FieldError, Obj, invalid
from sparkiot_sim.devcluster.podlogs import LogSource
from sparkiot_sim.devcluster.schema import StructuralSchema

PODS = "/pods"
FINAL_PHASES = ("Succeeded", "Failed")
DEFAULT_GRACE_SECONDS = 30


class Node(LogSource, Protocol):
    """The node agent that runs this server's pods."""

    @property
    def name(self) -> str:
        """The name of its Node object."""


def _object(**properties: Obj) -> Obj:
    return {"type": "object", "properties": properties}


_TEXT, _ANY = {"type": "string"}, {"type": "object"}
_TEXTS = {"type": "array", "items": _TEXT}
_NAME = {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
_NAMED = {"type": "object", "required": ["name"], "properties": {"name": _TEXT}}
_CONTAINER = {
    "type": "object",
    "required": ["name", "image"],
    "properties": {
        "name": _NAME,
        "image": {"type": "string", "minLength": 1},
        **dict.fromkeys(("command", "args"), _TEXTS),
        **dict.fromkeys(("workingDir", "terminationMessagePath", "terminationMessagePolicy"), _TEXT),
        **dict.fromkeys(("lifecycle", "readinessProbe", "livenessProbe", "startupProbe"), _ANY),
        "env": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": _TEXT, "value": _TEXT, "valueFrom": _ANY},
            },
        },
        "envFrom": {"type": "array", "items": _ANY},
        "resources": _object(limits=_ANY, requests=_ANY),
        "volumeMounts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "mountPath"],
                "properties": {"name": _TEXT, "mountPath": _TEXT, "subPath": _TEXT},
            },
        },
    },
}
_STATE = _object(waiting=_ANY, running=_ANY, terminated=_ANY)
_CONTAINERS: Obj = {"type": "array", "items": _CONTAINER}
_SPEC = {
    "type": "object",
    "required": ["containers"],
    "properties": {
        "containers": {**_CONTAINERS, "minItems": 1},
        "initContainers": _CONTAINERS,
        "volumes": {"type": "array", "items": _NAMED},
        "restartPolicy": {"type": "string", "enum": ["Always", "OnFailure", "Never"]},
        **dict.fromkeys(("nodeName", "serviceAccountName"), _TEXT),
        "nodeSelector": {"type": "object", "additionalProperties": _TEXT},
        "terminationGracePeriodSeconds": {"type": "integer", "minimum": 0},
        "automountServiceAccountToken": {"type": "boolean"},
    },
}
_STATUSES = {"type": "array", "items": {"type": "object", "required": ["name"], "properties": {"state": _STATE}}}
_STATUS = _object(phase=_TEXT, containerStatuses=_STATUSES, initContainerStatuses=_STATUSES)
_MANIFEST = StructuralSchema({"type": "object", "required": ["spec"], "properties": {"spec": _SPEC, "status": _STATUS}})
_DEFAULTS = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": DEFAULT_GRACE_SECONDS,
    "serviceAccountName": "default",
}


def admit(pod: Obj) -> None:
    """Checks a pod and fills in defaults. Raises ApiError 422 that lists what is wrong."""
    checked = {key: pod[key] for key in ("spec", "status") if pod.get(key) is not None}
    errors = _MANIFEST.validate(checked, None) or _check(pod["spec"])
    if errors:
        raise invalid("Pod", "", str(pod["metadata"].get("name", "")), errors)
    for key, value in _DEFAULTS.items():
        pod["spec"].setdefault(key, value)


def _check(spec: Obj) -> list[FieldError]:
    volumes = {volume["name"] for volume in spec.get("volumes") or ()}
    fields = ("initContainers", "containers")
    every = [(f"spec.{name}[{i}]", item) for name in fields for i, item in enumerate(spec.get(name) or ())]
    twice = [name for name, count in Counter(item["name"] for _, item in every).items() if count > 1]
    errors = [
        FieldError(f"{path}.name", "FieldValueDuplicate", f'Duplicate value: "{item["name"]}"')
        for path, item in every
        if item["name"] in twice
    ]
    for path, item in every:
        for place, mount in enumerate(item.get("volumeMounts") or ()):
            if mount["name"] not in volumes:
                message = f'Not found: "{mount["name"]}"'
                errors.append(FieldError(f"{path}.volumeMounts[{place}].name", "FieldValueNotFound", message))
    return errors


def grace_seconds(pod: Obj, options: Obj, node: Node | None) -> int:
    """How long a deleted pod may go on: 0 when nobody runs it, else what the options or the pod itself ask for."""
    spec, phase = pod["spec"], (pod.get("status") or {}).get("phase")
    if node is None or spec.get("nodeName") != node.name or phase in FINAL_PHASES:
        return 0
    default = spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    return max(int(options.get("gracePeriodSeconds", default)), 0)


def shown_status(pod: Obj) -> str:
    """The Status column of `kubectl get pods`: the phase, or what keeps the pod from it."""
    status = pod.get("status") or {}
    shown: str = status.get("reason") or status.get("phase") or "Unknown"
    inits = status.get("initContainerStatuses") or []
    for number, container in enumerate(inits):
        state = container.get("state") or {}
        ended = state.get("terminated")
        if ended and ended.get("exitCode") == 0:
            continue
        why = _why(state)
        shown = f"Init:{why}" if why and why != "PodInitializing" else f"Init:{number}/{len(inits)}"
        break
    else:
        for container in reversed(status.get("containerStatuses") or []):
            shown = _why(container.get("state") or {}) or shown
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else shown


def _why(state: Obj) -> str:
    ended, waiting = state.get("terminated"), state.get("waiting")
    if ended:
        return str(ended.get("reason") or f"ExitCode:{ended.get('exitCode')}")
    return str((waiting or {}).get("reason") or "")


def shown_ready(pod: Obj) -> str:
    states = _container_states(pod)
    return f"{sum(bool(state.get('ready')) for state in states)}/{len(pod.get('spec', {}).get('containers') or [])}"


def restarts(pod: Obj) -> int:
    return sum(int(state.get("restartCount") or 0) for state in _container_states(pod))


def _container_states(pod: Obj) -> list[Any]:
    return (pod.get("status") or {}).get("containerStatuses") or []
