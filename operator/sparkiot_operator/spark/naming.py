"""Names, labels and ports of a live job's objects: the same for every operator, so that a restarted one finds them."""

import hashlib
import re

CONTAINER = "spark-kubernetes-driver"
EXECUTOR_CONTAINER = "spark-kubernetes-executor"
INIT_CONTAINER = "sparkiot-runtime"

RPC_PORT = 7078
BLOCK_MANAGER_PORT = 7079
AGENT_PORT = 7080
PORTS = (("rpc", RPC_PORT), ("blockmanager", BLOCK_MANAGER_PORT), ("agent", AGENT_PORT))

JOB_LABEL = "sparkiot.dev/job"
NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
APPLICATION_LABEL = "spark-app-selector"
"""Spark's own, as is the next: the application's id."""
EXECUTOR_ID_LABEL = "spark-exec-id"
LABELS = (NAME_LABEL, INSTANCE_LABEL, COMPONENT_LABEL, MANAGED_BY_LABEL, JOB_LABEL)
DRIVER = "driver"
EXECUTOR = "executor"

SPEC_HASH_ANNOTATION = "sparkiot.dev/spec-hash"
RESTART_FIELDS_ANNOTATION = "sparkiot.dev/restart-fields"

MAX_LABEL = 63
_SUFFIX = "-driver"
_DIGEST = 8


def base_name(job: str) -> str:
    """Name of the job's driver pod and of all that belongs to it: ``NAME-driver``.

    It is a DNS label that starts with a letter, as a Service needs it; a job's name may be longer, have dots or start
    with a digit. Such a name is changed and gets a hash, so that two jobs never share objects by accident.
    """
    label = job.replace(".", "-")
    if not label[0].isalpha():
        label = f"job-{label}"
    return _fit(job, label, MAX_LABEL - len(_SUFFIX)) + _SUFFIX


def label_value(job: str) -> str:
    """The job's name as a label value: itself, or its head and a hash where it is longer than 63 characters."""
    return _fit(job, job, MAX_LABEL)


def labels(job: str, component: str) -> dict[str, str]:
    """Labels of an object of the job. component: DRIVER or EXECUTOR."""
    value = label_value(job)
    return {
        NAME_LABEL: "sparkiot-job",
        INSTANCE_LABEL: value,
        COMPONENT_LABEL: component,
        MANAGED_BY_LABEL: "sparkiot",
        JOB_LABEL: value,
    }


def selector(job: str) -> str:
    """Label selector of all objects of the job, driver and executors."""
    return f"{JOB_LABEL}={label_value(job)}"


def executor_selector(job: str) -> str:
    return f"{selector(job)},{COMPONENT_LABEL}={EXECUTOR}"


def _fit(job: str, text: str, room: int) -> str:
    """``text`` where it is the job's own name and fits, else its head and a hash of the whole name."""
    if text == job and len(text) <= room:
        return text
    digest = hashlib.sha256(job.encode()).hexdigest()[:_DIGEST]
    head = re.sub(r"[^A-Za-z0-9]+$", "", text[: room - _DIGEST - 1])
    return f"{head}-{digest}"
