"""What the operator writes, the runtime in the driver reads, and the other way: they share no code, only this."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support_spark import allocation_request, application_of, driver_request, live_spec

from sparkiot_driver import config, properties
from sparkiot_driver.allocation import Allocation
from sparkiot_driver.executors import Executor
from sparkiot_driver.keeper import Keeper
from sparkiot_driver.report import Report
from sparkiot_operator.spark.manifests import DriverObjects, build_objects
from sparkiot_operator.spark.memory import MIN_HEAP_MIB, executor_heap_mib
from sparkiot_operator.spark.properties import spark_properties
from sparkiot_operator.spark.report import (
    BatchReport,
    DriverReport,
    DriverRunState,
    ExecutorReport,
    ExecutorsReport,
    QueryReport,
    RemovedReport,
    RuntimeReport,
    ShuffleBatchReport,
    ShuffleReport,
    ShuffleTierReport,
    ShuffleTotalsReport,
    TierCheckReport,
    TierDownReport,
    TierFailureReport,
    TotalsReport,
    WireAllocation,
)
from sparkiot_policies.allocation import Compression, Tier

SPEC = live_spec(
    sparkConf={"spark.hadoop.x": " =ä\n\\", "spark.executor.memoryOverhead": "500m"},
    shuffle={"tiers": {"warm": {"volume": {"hostPath": "/mnt/nvme"}}}},
)
REQUEST = driver_request(SPEC, allocation=allocation_request(generation=3, executors=4))


def environment(objects: DriverObjects, folder: Path) -> dict[str, str]:
    """The driver container's environment, with its two mounted folders below ``folder``."""
    (folder / "config").mkdir()
    for name, text in objects.config_map["data"].items():
        (folder / "config" / name).write_text(text)
    (folder / "token").mkdir()
    for name, text in objects.secret["data"].items():
        (folder / "token" / name).write_bytes(base64.b64decode(text))
    (container,) = objects.pod["spec"]["containers"]
    values = {env["name"]: env.get("value", "127.0.0.1") for env in container["env"]}
    mounted = {"/etc/sparkiot-token": folder / "token", "/etc/sparkiot": folder / "config"}
    for path, here in mounted.items():
        values = {name: value.replace(path, str(here)) for name, value in values.items()}
    return values


def test_the_runtime_reads_the_objects_that_the_operator_builds(tmp_path: Path) -> None:
    found = config.load(environment(build_objects(REQUEST), tmp_path))
    assert (found.job.namespace, found.job.name, found.job.spark_version) == ("iot", "city-traffic", "3.5.9")
    assert found.tokens.accept(f"Bearer {REQUEST.token}".encode())
    assert found.allocation == Allocation(3, 4, 2048, "Warm", "LZ4")
    assert found.base == spark_properties(
        SPEC, application_of(SPEC), name=REQUEST.name, namespace=REQUEST.namespace, capabilities=REQUEST.capabilities
    )
    assert set(found.job.tiers) == {tier.value for tier in Tier}
    assert set(found.job.compressions) == {compression.value for compression in Compression}
    assert found.memory(found.allocation).heap_mib == 2048 - 500


@pytest.mark.parametrize("memory_mib", [1024, 1536, 2048, 4096, 8192])
@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"spark.executor.memoryOverhead": "400"},
        {"spark.executor.pyspark.memory": "64m"},
        {"spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": str(64 << 20)},
        {"spark.memory.offHeap.size": "10g"},
    ],
)
def test_both_split_an_executors_memory_alike(memory_mib: int, conf: dict[str, str], tmp_path: Path) -> None:
    spec = live_spec(sparkConf=conf)
    request = driver_request(spec, allocation=allocation_request(memory_mib=memory_mib))
    found = config.load(environment(build_objects(request), tmp_path))
    assert found.memory(found.allocation).heap_mib == executor_heap_mib(application_of(spec), memory_mib)
    assert properties.MIN_HEAP_MIB <= MIN_HEAP_MIB


def told(source: Report) -> dict[str, Any]:
    """The body of an answer, as it goes over the wire."""
    body = json.dumps(source.observation(0, 1000.0, own_cpu=0.5, rss_bytes=1 << 20), allow_nan=False)
    found = json.loads(body)
    assert isinstance(found, dict)
    return found


def new_report() -> Report:
    wanted = Allocation.from_wire(allocation_request(generation=5).to_json())
    return Report(Keeper(wanted, 0.0), "incarnation-1")


def busy_report() -> Report:
    """A query with a batch, an executor that is there, and one that was lost for want of memory."""
    source = new_report()
    source.take({"type": "context", "startedAt": 900.0, "sparkVersion": "3.5.9", "applicationId": "spark-1"}, 900.0)
    query = {"id": "q1", "runId": "r1", "name": "traffic"}
    source.take({"type": "started", "time": 901.0, **query, "triggerSeconds": 10.0, "checkpoint": None}, 901.0)
    progress = {
        **query,
        "timestamp": "1970-01-01T00:16:30.000Z",
        "batchId": 7,
        "batchDuration": 2500,
        "numInputRows": 120,
        "inputRowsPerSecond": 12.0,
        "processedRowsPerSecond": 48.0,
        "sources": [],
    }
    source.take({"type": "progress", "progress": progress}, 993.0)
    executor = Executor(
        id="1",
        host="10.0.0.1",
        active=True,
        cores=2,
        registered_at=905.0,
        removed_at=None,
        reason="",
        active_tasks=1,
        blocks=0,
        memory_used=0,
        disk_used=0,
        shuffle_write=2_000_000,
        shuffle_read=0,
        input_bytes=0,
        failed_tasks=0,
        task_seconds=3.5,
        gc_seconds=0.1,
        peak_unified=None,
    )
    gone = executor._replace(id="2", active=False, removed_at=990.0, reason="exit code 137 (OOMKilled)")
    message = {
        "type": "executors",
        "time": 994.5,
        "cpuSeconds": 0.2,
        "executors": [list(executor), list(gone)],
        "told": [],
        "shortOfMemory": [],
        "noticed": [],
        "wanted": 2,
        "askedAt": 900.0,
        "triggers": {"q1": False},
    }
    source.take(message, 995.0)
    source.take(shuffle_batch(), 995.5)
    source.checked([{"tier": "Cold", "reason": "TierDenied", "message": "s3://b/ refuses", "time": 990.0}])
    return source


def shuffle_batch() -> dict[str, Any]:
    """A batch that was to go to Redis, found none there, and went to the disk."""
    failure = {"tier": "Hot", "reason": "TierUnavailable", "message": "no Redis answers at redis:6379"}
    figures = {"blocks": 2, "rawBytes": 4000, "storedBytes": 1000, "readBytes": 1500, "writeSeconds": 0.25}
    return {
        "type": "shuffle",
        "time": 995.5,
        "query": "q1",
        "batchId": 7,
        "wantedTier": "Hot",
        "tier": "Warm",
        "compression": "ZSTD",
        "rows": 100,
        **figures,
        "segmentBytes": 1000,
        "rereadBytes": 500,
        "readSeconds": 0.5,
        "seconds": 1.5,
        "attempts": 2,
        "failures": [failure],
        "tiers": {"Warm": {**figures, "readSeconds": 0.5}},
        "down": [{**failure, "since": 994.0, "retryAt": 999.0}],
    }


def test_the_operator_reads_a_driver_that_just_started() -> None:
    found = DriverReport.model_validate(told(new_report()))
    assert (found.time, found.incarnation, found.state) == (1000.0, "incarnation-1", DriverRunState.STARTING)
    assert found.desired is not None
    assert found.desired.generation == 5
    assert found.desired.allocation.memory_mib == 2048
    assert found.applied is None
    assert found.figures_at is None
    assert (found.totals.rows, found.totals.executors_lost, found.totals.arrived_until) == (0, 0, None)
    assert (found.executors.running, found.executors.cores) == (0, None)


def test_the_operator_reads_a_driver_at_work() -> None:
    found = DriverReport.model_validate(told(busy_report()))
    (query,), (batch,) = found.queries, found.batches
    assert (query.name, query.active, query.trigger_interval_seconds, query.batch_id) == ("traffic", True, 10.0, 7)
    assert (batch.seq, batch.rows, batch.start, batch.end, batch.duration_seconds) == (1, 120, 990.0, 992.5, 2.5)
    assert (found.totals.rows, found.totals.batches, found.totals.arrived_until) == (120, 1, 990.0)
    assert (found.figures_at, found.totals.failed_batches) == (994.5, 0)
    assert (found.totals.executors_lost, found.totals.executors_out_of_memory) == (1, 1)
    assert (found.executors.running, found.executors.pending, found.executors.cores) == (1, 1, 2)
    assert [(gone.id, gone.out_of_memory, gone.wanted) for gone in found.executors.removed] == [("2", True, False)]
    assert found.runtime is not None
    assert found.runtime.rss_bytes == 1 << 20


def test_the_operator_reads_what_the_tiered_shuffle_did() -> None:
    assert DriverReport.model_validate(told(new_report())).shuffle is None
    found = DriverReport.model_validate(told(busy_report())).shuffle
    assert found is not None
    (batch,) = found.batches
    assert (batch.seq, batch.query, batch.batch_id, batch.attempts) == (1, "q1", 7, 2)
    assert (batch.wanted_tier, batch.tier, batch.compression) == (Tier.HOT, Tier.WARM, Compression.ZSTD)
    assert (batch.raw_bytes, batch.stored_bytes, batch.ratio) == (4000, 1000, 0.25)
    assert [(failure.tier, failure.reason) for failure in batch.failures] == [("Hot", "TierUnavailable")]
    assert (found.totals.batches, found.totals.retried_batches, found.totals.write_seconds) == (1, 1, 0.25)
    hot, warm = sorted(found.tiers, key=lambda tier: tier.tier.value)
    assert (hot.stored_bytes, hot.failures) == (0, {"TierUnavailable": 1})
    assert (warm.stored_bytes, warm.read_seconds, warm.failures) == (1000, 0.5, {})
    assert [(down.tier, down.since, down.retry_at) for down in found.down] == [("Hot", 994.0, 999.0)]
    (checked,) = DriverReport.model_validate(told(busy_report())).tier_checks
    assert (checked.tier, checked.reason, checked.message, checked.time) == (
        "Cold",
        "TierDenied",
        "s3://b/ refuses",
        990.0,
    )
    assert found.temperature == 0.5  # half of it was read again, and so says the prior


def test_the_operator_knows_every_name_that_the_runtime_says() -> None:
    """A field that one side spells otherwise would be missing for ever, without an error."""
    said = told(busy_report())
    parts: list[tuple[dict[str, Any], type[BaseModel]]] = [
        (said, DriverReport),
        (said["totals"], TotalsReport),
        (said["executors"], ExecutorsReport),
        (said["executors"]["list"][0], ExecutorReport),
        (said["executors"]["removed"][0], RemovedReport),
        (said["queries"][0], QueryReport),
        (said["batches"][0], BatchReport),
        (said["desired"], WireAllocation),
        (said["runtime"], RuntimeReport),
        (said["tierChecks"][0], TierCheckReport),
        (said["shuffle"], ShuffleReport),
        (said["shuffle"]["batches"][0], ShuffleBatchReport),
        (said["shuffle"]["batches"][0]["failures"][0], TierFailureReport),
        (said["shuffle"]["totals"], ShuffleTotalsReport),
        (said["shuffle"]["tiers"][0], ShuffleTierReport),
        (said["shuffle"]["down"][0], TierDownReport),
    ]
    for part, model in parts:
        assert part.keys() <= {field.alias for field in model.model_fields.values()}, model.__name__
