"""What a cluster does with an installed chart that the embedded one does not: its Deployment becomes a pod."""

import json
from typing import Any

from support_operator import Kubectl

Json = dict[str, Any]


def pod_of(deployment: Json, *, name: str) -> Json:
    """The Deployment's pod, as a local process can be one.

    The image's entry point is stated, and it listens on its own address, as pods share the machine's.
    """
    template = deployment["spec"]["template"]
    container = template["spec"]["containers"][0]
    env = [item for item in container["env"] if item["name"] != "SPARKIOT_HEALTH_HOST"]
    address = {"name": "SPARKIOT_HEALTH_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    running = {
        **container,
        "command": ["python", "-m", "sparkiot_operator"],
        "env": [*env, address],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": name, "namespace": deployment["metadata"]["namespace"]},
        "spec": {**template["spec"], "containers": [running]},
    }


def ready(kubectl: Kubectl, namespace: str, pod: str) -> bool:
    found = json.loads(kubectl("-n", namespace, "get", "pod", pod, "-o", "json"))
    conditions = {c["type"]: c["status"] for c in found.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"
