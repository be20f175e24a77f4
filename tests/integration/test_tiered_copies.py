"""The tiered shuffle on executors of several hosts: speculative copies, folders of each host's own, and the blocks of
Spark's own shuffle when all executors are decommissioned."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from support_shuffle import Tiers, await_executors, executors, tiers_of, two_hosts
from support_spark import live_spec

from sparkiot_driver.properties import DECOMMISSION
from sparkiot_driver.shuffle import exchange, tasks, tiered
from sparkiot_operator.spark.shuffle import tier_properties
from sparkiot_policies.allocation import Tier

pytestmark = pytest.mark.timeout(300)
MAPS = 4


@pytest.fixture(scope="module")
def fallback(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory, fallback: Path) -> Iterator[SparkSession]:
    shared = {"tiers": {"warm": {"volume": {"mountPath": str(fallback), "shared": True}}}}
    with two_hosts(
        tmp_path_factory.mktemp("hosts"),
        **tier_properties(live_spec(shuffle=shared), "iot/u1/")[Tier.WARM],
        **DECOMMISSION,
        spark_executor_memory="1g",
        spark_locality_wait="0s",
        spark_speculation="true",
        spark_speculation_quantile="0.5",
        spark_speculation_multiplier="1.5",
        spark_speculation_minTaskRuntime="300ms",
        spark_speculation_efficiency_enabled="false",
    ) as session:
        await_executors(session, 2)
        yield session
    left = [path for path in fallback.rglob("*") if path.is_file()]
    assert not left, "Spark deletes its fallback storage as it stops"


def readings(spark: SparkSession) -> DataFrame:
    return spark.range(0, 4_000, 1, MAPS).selectExpr("id", "concat('device-', id % 61) AS device")


def ids(frame: DataFrame) -> list[int]:
    return sorted(row.id for row in frame.collect())


def batch_of(rows: DataFrame, between: Callable[[], None] = lambda: None) -> tuple[list[int], int]:
    """One batch as foreachBatch runs it: the ids that it read in the end, and how often it ran."""
    results: list[list[int]] = []

    def write(batch: DataFrame, number: int) -> None:
        moved = exchange(batch, ["device"], partitions=3)
        between()
        results.append([])
        results[-1] = ids(moved)

    tiered(write)(rows, 1)
    return results[-1], len(results)


@pytest.fixture
def is_slow() -> Callable[[], bool]:
    """Whether a task is the first copy of partition 1. Executors know no module of the tests: it goes by value."""

    def first_copy() -> bool:
        context = TaskContext.get()
        assert context is not None
        return context.partitionId() == 1 and context.attemptNumber() == 0

    return first_copy


def test_speculative_copies_double_nothing(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_slow: Callable[[], bool]
) -> None:
    """A map task and a reduce task are slow once they have done their work. Their copies overtake them, and Spark ends
    the slow ones: two blocks of one task are there, and two readings of one segment."""

    class SlowMap(tasks.MapTask):
        def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from tasks.MapTask.run(self, batches)
            if is_slow():
                time.sleep(60)

    class SlowReduce(tasks.ReduceTask):
        def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from tasks.ReduceTask.run(self, batches)
            if is_slow():
                time.sleep(60)

    monkeypatch.setattr(tasks, "MapTask", SlowMap)
    monkeypatch.setattr(tasks, "ReduceTask", SlowReduce)
    with tiers_of(tmp_path, "Warm") as tiers:
        tiers.want("Warm")
        blocks = list[str]()
        found, runs = batch_of(readings(spark), lambda: blocks.extend(path.name for path in tiers.blocks()))
        written = [name.split("-")[0] for name in blocks]
        assert set(written) == {"m0", "m1", "m2", "m3"}
        assert written.count("m1") == 2, "the loser's block is there"  # a busy machine may run others twice as well
        assert (found, runs) == (list(range(4_000)), 1)
        (report,) = tiers.reports
        assert (report["blocks"], report["rows"], report["attempts"]) == (MAPS, 4_000, 1)
        tiers.cleaned()
        assert not tiers.blocks()


def test_a_folder_of_each_hosts_own_is_told_from_a_shared_one(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One path, which is the driver's folder for one executor, and a folder of its own for the other."""
    folder, seen = tmp_path / "warm", tmp_path / "seen"
    seen.mkdir()

    class Mounted(tasks.MapTask):
        def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            place, host = Path("warm"), Path.cwd().parts[-3]
            if host != "127.0.0.2":
                place.mkdir(exist_ok=True)
            elif not place.is_symlink():
                place.symlink_to(folder)
            (seen / host).touch()
            while len(list(seen.iterdir())) < 2:  # until both executors take part
                time.sleep(0.05)
            yield from tasks.MapTask.run(self, batches)

    monkeypatch.setattr(tasks, "MapTask", Mounted)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        tiers = Tiers(tmp_path, stack)
        tiers.add_warm("/proc/self/cwd/warm")
        tiers.add_hot()
        stack.enter_context(tiers.used())
        tiers.want("Warm")
        assert batch_of(readings(spark))[0] == list(range(4_000))
        (report,) = tiers.reports
        assert (report["tier"], report["attempts"]) == ("Hot", 2)
        ((tier, reason, message),) = [failure.values() for failure in report["failures"]]
        assert (tier, reason) == ("Warm", "TierNotShared")
        assert "it must be a file system that all of them share" in message
        assert [(down["tier"], down["reason"]) for down in report["down"]] == [("Warm", "TierNotShared")]
        tiers.cleaned()
        assert not tiers.left(), "what the first attempt wrote to the driver's folder has gone too"


def test_hadoop_reads_a_bucket_s_credentials_from_the_environment(spark: SparkSession) -> None:
    """What ``${env.NAME}`` in a property of the bucket means to it, also where it asks for a password."""
    conf = spark.sparkContext._jvm.org.apache.hadoop.conf.Configuration(False)
    conf.set("fs.s3a.bucket.shuffle.secret.key", "${env.PATH}")
    assert conf.get("fs.s3a.bucket.shuffle.secret.key") == os.environ["PATH"]
    assert "".join(conf.getPassword("fs.s3a.bucket.shuffle.secret.key")) == os.environ["PATH"]


def test_shuffle_blocks_of_all_executors_outlive_them_in_the_fallback_storage(
    spark: SparkSession, fallback: Path
) -> None:
    """Spark's own shuffle: all executors are decommissioned, and others read what they wrote; nothing runs again."""
    context = spark.sparkContext
    runs = context.accumulator(0)

    def keyed(number: int) -> tuple[int, int]:
        runs.add(1)
        return number % 10, 1

    counted = context.parallelize(range(100), 4).map(keyed).reduceByKey(lambda a, b: a + b, 2)
    wanted = [(number, 10) for number in range(10)]
    assert sorted(counted.collect()) == wanted
    old, jvm = executors(spark), context._jvm
    told = context._gateway.new_array(jvm.scala.Tuple2, len(old))
    for place, executor in enumerate(old):
        info = jvm.org.apache.spark.scheduler.ExecutorDecommissionInfo("test", jvm.scala.Option.empty())
        told[place] = jvm.scala.Tuple2(executor, info)
    context._jsc.sc().schedulerBackend().decommissionExecutors(told, False, False)
    until = time.monotonic() + 60
    while set(old) & set(executors(spark)):
        assert time.monotonic() < until, "they did not go"
        time.sleep(0.05)
    kept = [path.name for path in fallback.glob(f"iot/u1/fallback/{context.applicationId}/*/*/*.data")]
    assert len(kept) == 4
    assert sorted(counted.collect()) == wanted
    assert runs.value == 100
