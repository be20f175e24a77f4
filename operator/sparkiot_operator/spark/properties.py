"""Spark's configuration of a live job: our defaults, then what the user states, then what the operator must own.

What depends on the pod's address or the allocation is not here: the runtime in the driver adds it as it starts Spark.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sparkiot_operator.resource.spec import Application, SparkIoTJobSpec

from . import naming
from .memory import driver_heap_mib
from .owned import EXECUTOR_LABEL
from .tiers import executor_environment

RESIZE_PLUGIN = "org.apache.spark.scheduler.cluster.k8s.ExecutorResizePlugin"
RESIZE_SINCE = (4, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the cluster can do, as its API server says. pod_resize: pods' resources change in place."""

    pod_resize: bool = False


def spark_properties(
    spec: SparkIoTJobSpec, application: Application, *, name: str, namespace: str, capabilities: Capabilities
) -> dict[str, str]:
    """Everything for ``spark.properties``; ``application`` is the spec's. Later layers win."""
    stated = dict(application.spark_conf)
    owned = _owned(application, name, namespace) | executor_environment(spec)
    properties = _defaults(spec, application, name) | stated | owned
    if resizes(application, capabilities):
        given = [plugin for plugin in stated.get("spark.plugins", "").split(",") if plugin.strip()]
        properties["spark.plugins"] = ",".join(dict.fromkeys([*given, RESIZE_PLUGIN]))
    return properties


def resizes(application: Application, capabilities: Capabilities) -> bool:
    """Whether Spark's plugin that grows an executor's container in place serves: cluster and release have it."""
    major, minor, _ = application.spark_version.split(".")
    return capabilities.pod_resize and (int(major), int(minor)) >= RESIZE_SINCE


def format_properties(properties: Mapping[str, str]) -> str:
    """The text of a ``.properties`` file, sorted, ASCII only, as java.util.Properties reads it."""
    return "".join(f"{_escape(key, key=True)}={_escape(value)}\n" for key, value in sorted(properties.items()))


def _defaults(spec: SparkIoTJobSpec, application: Application, name: str) -> dict[str, str]:
    """What serves a long-running stream that is scaled while it runs; the user's own word wins."""
    defaults = {
        "spark.app.name": name,
        # A removed executor hands its blocks on, so that no stage is computed again; one that cannot still ends.
        "spark.decommission.enabled": "true",
        "spark.storage.decommission.enabled": "true",
        "spark.storage.decommission.rddBlocks.enabled": "true",
        "spark.storage.decommission.shuffleBlocks.enabled": "true",
        "spark.executor.decommission.forceKillTimeout": "120s",
        # A task may run wherever a slot is free. Spark's default waits three seconds for the executor that holds most
        # of the input, which the first file of a batch decides: executors that joined would stand idle beside it.
        "spark.locality.wait": "0s",
        # Spark would count failures over the whole life of a stream and end it at the third with one executor.
        "spark.executor.maxNumFailures": str(max(20, 3 * spec.scaling.executors.max)),
        "spark.executor.failuresValidityInterval": "1h",
        # A stream runs thousands of jobs a day, and the driver's heap holds what the UI retains of them.
        "spark.ui.retainedJobs": "100",
        "spark.ui.retainedStages": "100",
        "spark.ui.retainedTasks": "10000",
        "spark.ui.retainedDeadExecutors": "20",
        "spark.sql.ui.retainedExecutions": "100",
        "spark.kubernetes.executor.request.cores": str(application.executor.cores),
    }
    if application.checkpoint_location is not None:
        # Spark puts a query below it by its name; one without a name gets a random folder and starts anew each time.
        defaults["spark.sql.streaming.checkpointLocation"] = application.checkpoint_location
    return defaults


def _owned(application: Application, name: str, namespace: str) -> dict[str, str]:
    owned = {
        "spark.submit.deployMode": "client",
        "spark.dynamicAllocation.enabled": "false",
        "spark.driver.port": str(naming.RPC_PORT),
        "spark.driver.blockManager.port": str(naming.BLOCK_MANAGER_PORT),
        "spark.driver.memory": f"{driver_heap_mib(application)}m",
        "spark.executor.cores": str(application.executor.cores),
        "spark.kubernetes.namespace": namespace,
        "spark.kubernetes.container.image": application.image,
        "spark.kubernetes.container.image.pullPolicy": pull_policy(application),
        "spark.kubernetes.executor.podTemplateContainerName": naming.EXECUTOR_CONTAINER,
        "spark.kubernetes.allocation.pods.allocator": "direct",
    }
    if application.image_pull_secrets:
        owned["spark.kubernetes.container.image.pullSecrets"] = ",".join(application.image_pull_secrets)
    labels = naming.labels(name, naming.EXECUTOR)
    return owned | {f"{EXECUTOR_LABEL}{key}": value for key, value in labels.items()}


def pull_policy(application: Application) -> str:
    """Of executors: Kubernetes' default where none is stated, lest an old image joins a driver of a new one."""
    if application.image_pull_policy is not None:
        return application.image_pull_policy
    repository, _, digest = application.image.partition("@")
    tag = repository.rpartition("/")[2].partition(":")[2]
    return "Always" if not digest and tag in ("", "latest") else "IfNotPresent"


_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f", "\\": "\\\\"}
_SEPARATORS = frozenset(" =:#!")


def _escape(text: str, *, key: bool = False) -> str:
    """One key or value. Blanks and separators matter in a key everywhere, in a value only at its start."""
    return "".join(
        "\\" + char if char in _SEPARATORS and (key or at == 0) else _NAMED.get(char) or _ascii(char)
        for at, char in enumerate(text)
    )


def _ascii(char: str) -> str:
    """A character outside printable ASCII as the escapes of its UTF-16 code units."""
    if " " <= char <= "~":
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[i : i + 2]):04x}" for i in range(0, len(units), 2))
