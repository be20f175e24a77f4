"""The pod template of executors: Spark fills in the rest."""

from collections.abc import Mapping
from typing import Any

from sparkiot_operator.resource.spec import Application

from . import naming
from .security import CONTAINER_SECURITY, POD_SECURITY
from .template import merge

Json = dict[str, Any]

WORK = "/opt/sparkiot-work"
"""Working directory: Spark puts files of ``addFile`` there, and the image's own may be read-only."""


def executor_template(application: Application, *, name: str) -> Json:
    """The template of executor pods of the job called ``name``. Raises TemplateError."""
    return merge(merge(_defaults(application), own(application.executor.template)), _owned(name))


def own(template: Mapping[str, Any]) -> Json:
    """A user's template without the two fields that say it is a pod."""
    return {key: value for key, value in template.items() if key not in ("apiVersion", "kind")}


def _defaults(application: Application) -> Json:
    spec: Json = {
        # Executors never call the API server. An account of the user's may stand for rights elsewhere, in a cloud.
        "automountServiceAccountToken": False,
        "securityContext": POD_SECURITY,
        "containers": [
            {
                "name": naming.EXECUTOR_CONTAINER,
                "securityContext": CONTAINER_SECURITY,
                "workingDir": WORK,
                "volumeMounts": [
                    {"name": "sparkiot-work", "mountPath": WORK},
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an empty volume of the pod's own
                ],
            }
        ],
        "volumes": [{"name": "sparkiot-work", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    if application.service_account_name is not None:
        spec["serviceAccountName"] = application.service_account_name
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": spec}


def _owned(name: str) -> Json:
    return {"metadata": {"labels": naming.labels(name, naming.EXECUTOR)}, "spec": {"restartPolicy": "Never"}}
