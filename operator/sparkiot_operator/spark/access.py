"""The driver's identity, its rights, its token and its address."""

import base64
from typing import Any

from sparkiot_operator.resource import GROUP, PLURAL
from sparkiot_operator.times import timestamp

from . import naming

Json = dict[str, Any]

TOKEN_KEY = "token"  # noqa: S105 - the name of the key, not what it holds
NEXT_KEY = "next"
ISSUED_ANNOTATION = "sparkiot.dev/token-issued"


def rules(job: str, *, resize: bool) -> list[Json]:
    """What Spark's client and our runtime in the driver ask of the API server, verb by verb.

    Spark makes executor pods and their ConfigMap itself, and deletes all that carries its application's label as it
    stops: also services and volume claims, which this job has none of. resize: with Spark's resize plugin.
    """
    pods = [_rule("", "pods", "create", "get", "list", "watch", "delete", "deletecollection")]
    if resize:
        pods.append(_rule("", "pods/resize", "patch"))
    return [
        *pods,
        _rule("", "configmaps", "create", "deletecollection"),
        _rule("", "persistentvolumeclaims", "list", "deletecollection"),
        _rule("", "services", "list", "deletecollection"),
        {**_rule(GROUP, PLURAL, "get"), "resourceNames": [job]},
    ]


def service_account(metadata: Json) -> Json:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def role(metadata: Json, *, job: str, resize: bool) -> Json:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": rules(job, resize=resize),
    }


def role_binding(metadata: Json) -> Json:
    """Binds role and service account of the same name as the binding."""
    name, namespace = metadata["name"], metadata["namespace"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }


def secret(metadata: Json, *, token: str, following: str | None = None, issued: float | None = None) -> Json:
    """following: the token that is to replace it. issued: when it was made, epoch seconds; None for not known."""
    tokens = {TOKEN_KEY: token} | ({NEXT_KEY: following} if following else {})
    data = {key: base64.b64encode(value.encode()).decode() for key, value in tokens.items()}
    if issued is not None:
        metadata = metadata | {"annotations": {ISSUED_ANNOTATION: timestamp(issued)}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def config_map(metadata: Json, *, files: dict[str, str]) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}


def service(metadata: Json, *, job: str) -> Json:
    """Headless: it names the driver, nothing stands between. Also a driver that is not ready yet has its name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {
                naming.JOB_LABEL: naming.label_value(job),
                naming.COMPONENT_LABEL: naming.DRIVER,
            },
            "ports": [
                {"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in naming.PORTS
            ],
        },
    }


def _rule(group: str, resource: str, *verbs: str) -> Json:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
