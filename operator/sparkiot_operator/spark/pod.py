"""The driver pod: the user's image, with our runtime beside it on a volume that an init container fills."""

import json
from collections.abc import Sequence
from typing import Any

from sparkiot_operator.resource.spec import Application
from sparkiot_policies.allocation import format_memory, parse_memory

from . import naming
from .allocation import AllocationRequest
from .executor import WORK, own
from .security import CONTAINER_SECURITY, POD_SECURITY
from .template import merge

Json = dict[str, Any]

RUNTIME = "/opt/sparkiot"
CONFIG = "/etc/sparkiot"
TOKEN = "/etc/sparkiot-token"  # noqa: S105 - where it is mounted
GRACE_S = 60
WARM_VOLUME = "sparkiot-warm"

_PROBE: Json = {"httpGet": {"path": "/healthz", "port": naming.AGENT_PORT}, "timeoutSeconds": 5}
# Spark waits for its driver pod to be ready before it asks for executors: a quick first probe is a quick start.
READINESS: Json = {**_PROBE, "periodSeconds": 2, "failureThreshold": 5}
# A minute of silence: a node that is out of CPU for seconds is no reason to lose a driver.
LIVENESS: Json = {**_PROBE, "initialDelaySeconds": 10, "periodSeconds": 10, "failureThreshold": 6}


def driver_pod(
    application: Application,
    *,
    metadata: Json,
    service_account: str,
    allocation: AllocationRequest,
    runtime_image: str,
    runtime_pull_policy: str | None,
    secrets: Sequence[Json] = (),
    warm_path: str | None = None,
) -> Json:
    """The driver pod. metadata: with its name, which is also that of its Secret and ConfigMap.

    secrets: variables that come from the job's secrets. warm_path: a folder of the nodes that is mounted where it is.
    Raises TemplateError.
    """
    owned = {
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": service_account,
            "automountServiceAccountToken": True,
            "initContainers": [_runtime_container(runtime_image, runtime_pull_policy)],
            "containers": [_driver_container(application, allocation, secrets, warm_path)],
            "volumes": _volumes(metadata["name"], warm_path),
        },
    }
    return merge(merge(_defaults(application), own(application.driver.template)), owned)


def _defaults(application: Application) -> Json:
    """What a user's template may change."""
    spec: Json = {
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": POD_SECURITY,
        "initContainers": [
            {
                "name": naming.INIT_CONTAINER,
                "securityContext": CONTAINER_SECURITY,
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"},
                    "limits": {"memory": "128Mi"},
                },
            }
        ],
        "containers": [
            {
                "name": naming.CONTAINER,
                "securityContext": CONTAINER_SECURITY,
                "resources": {"requests": {"cpu": str(application.driver.cores)}},
                "readinessProbe": READINESS,
                "livenessProbe": LIVENESS,
            }
        ],
    }
    if application.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in application.image_pull_secrets]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": spec}


def _runtime_container(image: str, pull_policy: str | None) -> Json:
    return {
        "name": naming.INIT_CONTAINER,
        "image": image,
        **({"imagePullPolicy": pull_policy} if pull_policy else {}),
        "command": ["python", "-m", "sparkiot_driver.install", RUNTIME],
        "volumeMounts": [{"name": "sparkiot-runtime", "mountPath": RUNTIME}],
    }


def _driver_container(
    application: Application, allocation: AllocationRequest, secrets: Sequence[Json], warm_path: str | None
) -> Json:
    memory = format_memory(parse_memory(application.driver.memory))
    main_file = application.main_application_file.removeprefix("local://")
    return {
        "name": naming.CONTAINER,
        "image": application.image,
        **({"imagePullPolicy": application.image_pull_policy} if application.image_pull_policy else {}),
        "command": ["python3", "-m", "sparkiot_driver"],
        "args": [_literal(text) for text in (main_file, *application.arguments)],
        "workingDir": WORK,
        "env": [*_environment(application, allocation), *secrets],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in naming.PORTS],
        "resources": {"requests": {"memory": memory}, "limits": {"memory": memory}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": "sparkiot-runtime", "mountPath": RUNTIME, "readOnly": True},
            {"name": "sparkiot-config", "mountPath": CONFIG, "readOnly": True},
            {"name": "sparkiot-token", "mountPath": TOKEN, "readOnly": True},
            {"name": "sparkiot-work", "mountPath": WORK},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an empty volume of the pod's own
            *([{"name": WARM_VOLUME, "mountPath": warm_path}] if warm_path else []),
        ],
    }


def _environment(application: Application, allocation: AllocationRequest) -> list[Json]:
    values = {
        "PYTHONPATH": RUNTIME,
        "SPARKIOT_CONFIG": CONFIG,
        "SPARKIOT_TOKEN_FILE": f"{TOKEN}/token",
        "SPARKIOT_TERMINATION_LOG": "/dev/termination-log",
        "SPARKIOT_WORK": WORK,
        "SPARKIOT_ALLOCATION": json.dumps(allocation.to_json(), separators=(",", ":")),
    }
    if application.checkpoint_location is not None:
        values["SPARKIOT_CHECKPOINT"] = _literal(application.checkpoint_location)
    fields = {
        "POD_IP": "status.podIP",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "POD_UID": "metadata.uid",
    }
    return [
        *({"name": name, "value": value} for name, value in values.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
    ]


def _volumes(name: str, warm_path: str | None) -> list[Json]:
    return [
        {"name": "sparkiot-runtime", "emptyDir": {}},
        {"name": "sparkiot-config", "configMap": {"name": name}},
        # Readable by the container's group, which the pod's fsGroup is.
        {"name": "sparkiot-token", "secret": {"secretName": name, "defaultMode": 0o440}},
        {"name": "sparkiot-work", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
        *([{"name": WARM_VOLUME, "hostPath": {"path": warm_path}}] if warm_path else []),
    ]


def _literal(text: str) -> str:
    """Text that the kubelet passes on as it is: it would expand ``$(NAME)`` of arguments and values."""
    return text.replace("$", "$$")
