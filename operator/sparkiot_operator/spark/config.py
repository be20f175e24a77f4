"""What the runtime in the driver reads: Spark's properties, the template of executors, and what it must know of us."""

import json
from typing import Any

from sparkiot_operator.resource import API_VERSION, PLURAL
from sparkiot_operator.resource.spec import Application, SparkIoTJobSpec

from . import naming
from .executor import executor_template
from .memory import EXECUTOR_OVERHEAD_FACTOR, MIN_EXECUTOR_OVERHEAD_MIB
from .properties import Capabilities, format_properties, spark_properties
from .shuffle import compression_properties, tier_properties
from .tiers import blocks_prefix, tiers_document

EXECUTOR_TEMPLATE = "executor-template.json"


def config_files(
    spec: SparkIoTJobSpec, application: Application, *, name: str, namespace: str, uid: str, capabilities: Capabilities
) -> dict[str, str]:
    """Files of the driver's configuration folder by name; ``application`` is the spec's."""
    properties = spark_properties(spec, application, name=name, namespace=namespace, capabilities=capabilities)
    job: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "uid": uid,
        "sparkVersion": application.spark_version,
        "apiVersion": API_VERSION,
        "plural": PLURAL,
        "port": naming.AGENT_PORT,
        "executorLabels": naming.executor_selector(name),
        "tiers": {tier.value: found for tier, found in tier_properties(spec, blocks_prefix(namespace, uid)).items()},
        "compressions": {compression.value: found for compression, found in compression_properties().items()},
        "memoryOverheadFactor": EXECUTOR_OVERHEAD_FACTOR,
        "minMemoryOverheadMiB": MIN_EXECUTOR_OVERHEAD_MIB,
    }
    if (document := tiers_document(spec)) is not None:
        job["shuffle"] = document
    return {
        "spark.properties": format_properties(properties),
        EXECUTOR_TEMPLATE: _json(executor_template(application, name=name)),
        "job.json": _json(job),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
