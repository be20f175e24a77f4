"""What a job's ``sparkConf`` may not state: the guard rails of the operator, and what to do instead.

They keep configuration from working against the operator and its bounds, and from opening doors in a pod that nobody
sees in the manifest. They do not confine the program itself, which may do in its own process what Spark lets it do:
what holds there is the pod, its role, and the namespace's quota.
"""

import re
from collections.abc import Iterator, Mapping

from . import naming

_DECIDED = "the policy decides it"
_OPERATOR = "the operator sets it"
_SCALES = "the operator scales the job; two hands on one wheel"
_NO_YARN = "jobs run on Kubernetes; use the property without yarn"
_MAKES_DRIVER = "the operator makes the driver pod; use spec.application.driver.template"
_TIERS = "the operator sets it from spec.shuffle.tiers"

EXECUTOR_LABEL = "spark.kubernetes.executor.label."

OWNED: Mapping[str, str] = {
    "spark.master": _OPERATOR,
    "spark.remote": "a job runs in its own driver, not in a server of Spark Connect",
    "spark.api.mode": "a job runs in its own driver, not in a server of Spark Connect",
    "spark.submit.deployMode": _OPERATOR,
    "spark.driver.host": _OPERATOR,
    "spark.driver.bindAddress": _OPERATOR,
    "spark.driver.port": _OPERATOR,
    "spark.driver.blockManager.port": _OPERATOR,
    "spark.driver.memory": "use spec.application.driver.memory; spark.driver.memoryOverhead sets what is not heap",
    "spark.driver.memoryOverheadFactor": "state spark.driver.memoryOverhead instead",
    "spark.driver.cores": "use spec.application.driver.cores",
    "spark.executor.cores": "use spec.application.executor.cores",
    "spark.executor.instances": f"{_DECIDED} within spec.scaling.executors",
    "spark.executor.memory": f"{_DECIDED} within spec.scaling.memory",
    "spark.executor.memoryOverheadFactor": "state spark.executor.memoryOverhead instead",
    "spark.kubernetes.memoryOverheadFactor": "state spark.executor.memoryOverhead instead",
    "spark.io.compression.codec": f"{_DECIDED}; pin it with spec.shuffle.compression",
    "spark.shuffle.compress": f"{_DECIDED}; pin it with spec.shuffle.compression",
    "spark.shuffle.spill.compress": f"{_DECIDED}; pin it with spec.shuffle.compression",
    "spark.kubernetes.local.dirs.tmpfs": f"{_DECIDED}; pin it with spec.shuffle.tier",
    "spark.kubernetes.namespace": "a job runs in its own namespace",
    "spark.kubernetes.context": _OPERATOR,
    "spark.kubernetes.driver.master": _OPERATOR,
    "spark.kubernetes.container.image": "use spec.application.image",
    "spark.kubernetes.driver.container.image": "use spec.application.image",
    "spark.kubernetes.executor.container.image": "use spec.application.image",
    "spark.kubernetes.container.image.pullPolicy": "use spec.application.imagePullPolicy",
    "spark.kubernetes.container.image.pullSecrets": "use spec.application.imagePullSecrets",
    "spark.kubernetes.driver.podTemplateFile": "use spec.application.driver.template",
    "spark.kubernetes.driver.podTemplateContainerName": _MAKES_DRIVER,
    "spark.kubernetes.driver.request.cores": "use spec.application.driver.cores",
    "spark.kubernetes.driver.limit.cores": _MAKES_DRIVER,
    "spark.kubernetes.executor.podNamePrefix": _OPERATOR,
    "spark.kubernetes.executor.podTemplateFile": "use spec.application.executor.template",
    "spark.kubernetes.executor.podTemplateContainerName": _OPERATOR,
    "spark.kubernetes.executor.pod.featureSteps": "it rewrites executor pods; use spec.application.executor.template",
    "spark.kubernetes.allocation.pods.allocator": _OPERATOR,
    **{f"{EXECUTOR_LABEL}{key}": _OPERATOR for key in naming.LABELS},
}
"""Properties that a user cannot state, and what to do instead."""

OWNED_PREFIXES: Mapping[str, str] = {
    "spark.dynamicAllocation.": _SCALES,
    "spark.streaming.dynamicAllocation.": _SCALES,
    "spark.yarn.": _NO_YARN,
    "spark.kubernetes.authenticate.": "use spec.application.serviceAccountName",
    **{
        f"spark.kubernetes.driver.{part}": _MAKES_DRIVER
        for part in (
            "pod.",
            "label.",
            "annotation.",
            "node.selector.",
            "secrets.",
            "secretKeyRef.",
            "volumes.",
            "service.",
        )
    },
    "spark.kubernetes.driverEnv.": _MAKES_DRIVER,
    "spark.kubernetes.executor.secretKeyRef.SPARKIOT_": _TIERS,
    "spark.executorEnv.SPARKIOT_": _TIERS,
}
"""All properties whose names begin so."""

JAVA_OPTIONS = tuple(
    f"spark.{pod}.{kind}JavaOptions" for pod in ("driver", "executor") for kind in ("default", "extra")
)
"""Properties that hold options of a JVM."""

FORBIDDEN_OPTIONS: Mapping[str, str] = {
    "-Dspark.": "Spark properties belong into sparkConf, where they are checked",
    "-Xmx": "the heap follows from the pod's memory; an option would let it outgrow the pod",
    "-Xms": "the heap follows from the pod's memory; an option would let it outgrow the pod",
    "-XX:MaxHeapSize": "the heap follows from the pod's memory; an option would let it outgrow the pod",
    "-XX:MaxRAM": "the heap follows from the pod's memory; an option would let it outgrow the pod",
    "-agentlib:jdwp": "a debugger's port runs any code for whoever reaches it",
    "-Xrunjdwp": "a debugger's port runs any code for whoever reaches it",
    "-Xdebug": "a debugger's port runs any code for whoever reaches it",
    "-Dcom.sun.management.jmxremote": "a JMX port runs any code for whoever reaches it",
    "-XX:Flags": "options in a file are not checked; state them here",
    "-XX:VMOptionsFile": "options in a file are not checked; state them here",
    "@": "options in a file are not checked; state them here",
}
"""What an option of a JVM may not begin with, and why."""

# Blanks and control characters: Java reads them into a key that looks like another one.
_KEY = re.compile(r"spark\.[!-~]+")


def refusal(key: str, value: str) -> str | None:
    """Why a user cannot state this property, and what to do instead; None when they can."""
    if (why := _owner(key)) is not None:
        return f"cannot be set here: {why}"
    if not _KEY.fullmatch(key):
        return "a property's name starts with spark. and has no blanks; Spark ignores any other"
    if key in JAVA_OPTIONS and (found := next(_forbidden(value), None)) is not None:
        return f"cannot be set here: {found}… is refused: {FORBIDDEN_OPTIONS[found]}"
    return None


def _owner(key: str) -> str | None:
    return OWNED.get(key) or next((why for prefix, why in OWNED_PREFIXES.items() if key.startswith(prefix)), None)


def _forbidden(options: str) -> Iterator[str]:
    """Quotes go first: Spark splits the text as a shell does, so that ``"-Xm"x2g`` is an option too."""
    for option in re.sub(r"[\"'\\]", "", options).split():
        yield from (start for start in FORBIDDEN_OPTIONS if option.startswith(start))
