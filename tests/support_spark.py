"""Specs, requests, pods and reports of live jobs for tests: as small as they may be unless a test says otherwise."""

from typing import Any

from sparkiot_operator.resource.spec import Application, SparkIoTJobSpec
from sparkiot_operator.resource.translate import parse_spec
from sparkiot_operator.spark import naming
from sparkiot_operator.spark.allocation import AllocationRequest
from sparkiot_operator.spark.manifests import DriverRequest
from sparkiot_operator.spark.properties import Capabilities
from sparkiot_operator.spark.report import DriverReport
from sparkiot_policies.allocation import Compression, Tier

Json = dict[str, Any]

APPLICATION: Json = {
    "image": "apache/spark:3.5.9",
    "mainApplicationFile": "local:///opt/app/main.py",
    "checkpointLocation": "s3a://bucket/checkpoints/city",
}


def live_spec(*, scaling: Json | None = None, shuffle: Json | None = None, **application: Any) -> SparkIoTJobSpec:
    """A spec of backend Spark; keywords are fields of its application, in camelCase."""
    return parse_spec(
        {
            "backend": "Spark",
            "application": APPLICATION | application,
            "scaling": scaling or {},
            "shuffle": shuffle or {},
        }
    )


def application_of(spec: SparkIoTJobSpec) -> Application:
    assert spec.application is not None
    return spec.application


def allocation_request(**changes: Any) -> AllocationRequest:
    fields: Json = {
        "generation": 1,
        "executors": 2,
        "memory_mib": 2048,
        "tier": Tier.WARM,
        "compression": Compression.LZ4,
    }
    return AllocationRequest(**fields | changes)


def driver_request(spec: SparkIoTJobSpec | None = None, **changes: Any) -> DriverRequest:
    fields: Json = {
        "namespace": "iot",
        "name": "city-traffic",
        "uid": "7d3c6f0e-0000-4000-8000-000000000001",
        "spec": spec or live_spec(),
        "allocation": allocation_request(),
        "runtime_image": "registry.example/sparkiot:0.1.0",
        "runtime_pull_policy": None,
        "token": "not-a-secret",
        "issued": 1_767_225_600.0,
        "capabilities": Capabilities(pod_resize=False),
    }
    return DriverRequest(**fields | changes)


def driver_pod(*, phase: str = "Running", status: Json | None = None, **metadata: Any) -> Json:
    """A driver pod as the API server has it; ``status`` is put over its bare phase."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "city-traffic-driver",
            "namespace": "iot",
            "uid": "pod-1",
            "labels": naming.labels("city-traffic", naming.DRIVER),
            "annotations": {naming.SPEC_HASH_ANNOTATION: "abc"},
            "ownerReferences": [{"kind": "SparkIoTJob", "name": "city-traffic", "uid": "job-1", "controller": True}],
            **metadata,
        },
        "spec": {
            "nodeName": "node-1",
            "initContainers": [{"name": naming.INIT_CONTAINER, "image": "registry.example/sparkiot:0.1.0"}],
            "containers": [
                {
                    "name": naming.CONTAINER,
                    "image": "apache/spark:3.5.9",
                    "resources": {"limits": {"memory": "1Gi"}},
                }
            ],
        },
        "status": {"phase": phase, **(status or {})},
    }


def executor_pod(number: int, *, phase: str = "Running", status: Json | None = None, **metadata: Any) -> Json:
    name = f"city-traffic-abc-exec-{number}"
    labels = naming.labels("city-traffic", naming.EXECUTOR) | {"spark-role": "executor"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "iot", "uid": f"exec-{number}", "labels": labels, **metadata},
        "spec": {"containers": [{"name": naming.EXECUTOR_CONTAINER, "image": "apache/spark:3.5.9"}]},
        "status": {"phase": phase, **(status or {})},
    }


def report(time: float = 1000.0, *, incarnation: str = "a", **fields: Any) -> DriverReport:
    """A report of a running driver; keywords are fields of the wire, in camelCase."""
    wire = {"time": time, "incarnation": incarnation, "state": "Running", **fields}
    return DriverReport.model_validate(wire)


def wire_query(**fields: Any) -> Json:
    return {"id": "q1", "active": True, **fields}


def wire_batch(seq: int, *, end: float, rows: int = 100, duration: float = 2.0, latency: float = 5.0) -> Json:
    return {
        "seq": seq,
        "query": "q1",
        "batchId": seq,
        "start": end - duration,
        "end": end,
        "rows": rows,
        "durationSeconds": duration,
        "latencySeconds": latency,
    }
