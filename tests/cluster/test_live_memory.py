"""Executors that really run out of memory: the job gets more of it by itself, and no row is lost or doubled."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support_live import LiveCluster, LiveJob

from sparkiot_operator.landing import steady
from sparkiot_operator.live_demo import shared_folder
from sparkiot_operator.settings import Settings
from sparkiot_operator.spark.naming import CONTAINER

pytestmark = [pytest.mark.timeout(1500), pytest.mark.live]
BASE = 1.0
"""Rows a second, each in a file of its own: what this job is about is one row that needs memory."""
HEAP_MIB = 700
"""Of one string: more than the whole heap of an executor of 1 GiB, and less than half of what one of 2 GiB has."""
WORKER_MIB = 1900
"""Of one Python worker: beside its JVM too much for 2 GiB, and not for 3 GiB."""
EVENT_INTERVAL_S: float = Settings.model_fields["event_interval_seconds"].default
BOUNDARY_S = 5
"""A batch that cannot end is not waited for for half a minute."""
MAIN = """
import sys
from pyspark.sql import SparkSession, functions

landing, sink, checkpoint = sys.argv[1:4]
spark = SparkSession.builder.getOrCreate()


def hold(mib):
    import time
    kept = bytearray((mib or 0) << 20)  # resident: it is filled with zeros
    if mib:
        time.sleep(5)  # time for whoever enforces the pod's limit
    return len(kept)


rows = spark.readStream.schema("id BIGINT, heap INT, worker INT").json(landing)
heap = functions.expr("length(repeat('x', coalesce(heap, 0) * 1048576))")
worker = functions.udf(hold, "bigint", useArrow=False)("worker")
query = rows.select("id", heap.alias("heap"), worker.alias("worker")).writeStream.format("json")
query = query.option("path", sink).option("checkpointLocation", checkpoint).trigger(processingTime="2 seconds")
query.start().awaitTermination()
"""


@pytest.fixture(scope="module")
def job(cluster: LiveCluster) -> LiveJob:
    """A job of one executor of 1 GiB, which may get up to 3 GiB; each row says how much memory it needs."""
    found = LiveJob(cluster, "hungry")
    found.prepare()
    main = found.folder / "main.py"
    main.write_text(MAIN)
    folders = [str(found.folder / name) for name in ("landing", "sink/rows", "checkpoint")]
    template = shared_folder(found.folder, CONTAINER)
    (container,) = template["spec"]["containers"]
    container |= {
        "env": [{"name": "SPARKIOT_BOUNDARY_SECONDS", "value": str(BOUNDARY_S)}],
        "resources": {"requests": {"cpu": "200m"}},
    }
    found.apply(
        application={
            "mainApplicationFile": f"local://{main}",
            "arguments": folders,
            "driver": {"memory": cluster.driver_memory, "template": template},
        },
        scaling={
            "interval": "2s",
            "executors": {"min": 1, "max": 1},
            "memory": {"min": "1Gi", "max": "1Gi"},
        },
    )
    cluster.wait(found.ready, what="the job is ready")
    found.load(steady(BASE), 3600)
    cluster.wait(lambda: found.check().found > 0, what="a first batch is in the sink")
    cluster.patch(found.name, {"scaling": {"memory": {"max": "3Gi"}}})
    return found


def land(job: LiveJob, **need: int) -> None:
    """One more row, that needs so many MiB; the load goes on after it."""
    job.end_load()
    row = {"id": job.written, **need}
    hidden: Path = job.folder / "landing" / f".{job.written}.json"
    hidden.write_text(json.dumps(row) + "\n")
    hidden.rename(hidden.with_name(f"rows-{job.written:012d}.json"))
    job.written += 1
    job.load(steady(BASE), 3600)


def recovers(cluster: LiveCluster, job: LiveJob, memory: str) -> None:
    cluster.wait(lambda: cluster.status(job.name).get("memoryFloor") == memory, what=f"the floor is {memory}")
    cluster.wait(lambda: cluster.status(job.name).get("applied", {}).get("memory") == memory, what=f"{memory} in force")
    check = job.settle()
    assert check.exactly_once, str(check)
    cluster.wait(job.ready, what="the job is ready again")
    messages = [e["message"] for e in cluster.events(job.name) if e["reason"] == "MemoryFloorRaised"]
    assert any(memory in message for message in messages), messages


def test_an_executor_whose_heap_is_too_small_gets_more_memory(cluster: LiveCluster, job: LiveJob) -> None:
    assert cluster.status(job.name)["allocation"]["memory"] == "1Gi"
    land(job, heap=HEAP_MIB)
    recovers(cluster, job, "2Gi")


def test_an_executor_that_is_killed_at_its_pods_limit_gets_more_memory(cluster: LiveCluster, job: LiveJob) -> None:
    # One event a minute of each reason is written, and those between are only counted.
    last = max(e["lastTimestamp"] for e in cluster.events(job.name) if e["reason"] == "MemoryFloorRaised")
    age = datetime.now(UTC) - datetime.fromisoformat(last)
    time.sleep(max(EVENT_INTERVAL_S + 2 - age.total_seconds(), 0))
    land(job, worker=WORKER_MIB)
    recovers(cluster, job, "3Gi")
    cluster("delete", "sij", job.name, "--timeout=240s")
