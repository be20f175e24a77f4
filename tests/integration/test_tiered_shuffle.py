"""The tiered shuffle under real Spark with executors of its own: Spark's results, each row once, whatever is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession, functions
from support_shuffle import Tiers, await_executors, executors, kill_executor, spark_session, tiers_of

from sparkiot_driver.shuffle import aggregate, exchange, exchanges, micro_batch, tasks, tiered
from sparkiot_driver.shuffle.plan import CannotCut

pytestmark = pytest.mark.timeout(600)
MAPS = 4


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with spark_session("local-cluster[2,1,1024]", spark_executor_memory="1g", spark_task_maxFailures="2") as session:
        await_executors(session, 2)
        yield session


@pytest.fixture
def warm(tmp_path: Path) -> Iterator[Tiers]:
    with tiers_of(tmp_path, "Warm") as tiers:
        tiers.want("Warm")
        yield tiers


def telemetry(spark: SparkSession, rows: int = 8_000) -> DataFrame:
    """Nulls, text, moments, decimals, NaN and -0.0; one device has half of all rows, and one is null."""
    return spark.range(0, rows, 1, MAPS).selectExpr(
        "id",
        "CASE WHEN id % 2 = 0 THEN 'gïant' WHEN id % 97 = 1 THEN null ELSE concat('device-', id % 613) END AS device",
        "IF(id % 11 = 0, null, timestamp_micros(1700000000123456 + id * 7919)) AS time",
        "CASE WHEN id % 13 = 0 THEN null WHEN id % 501 = 0 THEN double('NaN') WHEN id % 7 = 0 THEN -0.0D "
        "ELSE id * 37 % 1000 / 10D + 0.1D END AS value",
        "CAST(id % 1000 AS DECIMAL(12, 2)) AS amount",
    )


def sorted_rows(frame: DataFrame) -> list[str]:
    """Rows in an order of their own; as text, since NaN is not equal to itself."""
    return sorted(map(repr, frame.collect()))


AGGREGATES = (
    "count(*) AS rows",
    "count(value) AS values",
    "min(value) AS least",
    "max(value) AS most",
    "sum(amount) AS sum",
    "avg(amount) AS mean",
    "max(device) AS name",
    "first(id) IS NOT NULL AS has",
    "approx_count_distinct(id) AS about",
    "sort_array(collect_set(amount)) AS set",
)


@pytest.mark.parametrize("compression", ["None", "ZSTD"])
def test_an_aggregation_is_what_spark_makes_of_it(spark: SparkSession, warm: Tiers, compression: str) -> None:
    warm.want("Warm", compression)
    rows = telemetry(spark)
    keys = ["device", functions.window("time", "10 seconds", "5 seconds").alias("window")]
    columns = [functions.expr(text) for text in AGGREGATES]
    with micro_batch(spark):
        found = sorted_rows(aggregate(rows, keys, columns, partitions=5))
    assert found == sorted_rows(rows.groupBy(*keys).agg(*columns))
    (report,) = warm.reports
    assert (report["tier"], report["compression"]) == ("Warm", compression)
    assert report["rows"] > len(found)
    assert report["readBytes"] == report["segmentBytes"] > 0
    assert report["storedBytes"] > report["readBytes"], "a block holds its schema too"


def test_an_exchange_loses_no_row_and_spark_shuffles_its_result_no_more(spark: SparkSession, warm: Tiers) -> None:
    rows = telemetry(spark)
    with micro_batch(spark):
        moved = exchange(rows, ["device"], partitions=4)
        assert moved.schema == rows.schema
        assert moved.rdd.getNumPartitions() == 4
        assert sorted_rows(moved) == sorted_rows(rows)
        counted = moved.groupBy("device").agg(functions.count("*").alias("rows"))
        most = exchange(rows, ["device"], partitions=4).groupBy("device").agg(functions.max("value").alias("most"))
        joined = counted.join(most, "device")
        assert "Exchange" not in joined._jdf.queryExecution().executedPlan().toString()
        assert sorted_rows(joined) == sorted_rows(
            rows.where("device is not null")
            .groupBy("device")
            .agg(functions.count("*").alias("rows"), functions.max("value").alias("most"))
        )
    assert warm.reports[-1]["rereadBytes"] > 0, "the first exchange was read by two actions"


def test_distinct_values_are_counted_as_spark_counts_them(spark: SparkSession, warm: Tiers) -> None:
    rows = telemetry(spark, 2_000)
    for texts in (["count(DISTINCT value) AS n"], ["count(DISTINCT value) AS n", "sum(amount) AS s", "max(id) AS m"]):
        columns = [functions.expr(text) for text in texts]
        with micro_batch(spark):
            found = sorted_rows(aggregate(rows, ["device"], columns))
        assert found == sorted_rows(rows.groupBy("device").agg(*columns))


def test_columns_of_the_same_name_and_a_task_of_several_blocks(
    spark: SparkSession, warm: Tiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "BLOCK_BYTES", 50_000)
    rows = telemetry(spark).select(
        "id", "device", functions.col("value").alias("x"), functions.col("amount").alias("x")
    )
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "500")
    try:
        with micro_batch(spark):
            assert sorted_rows(exchange(rows, ["device", "id"])) == sorted_rows(rows)
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    assert warm.reports[-1]["blocks"] == 2 * MAPS


def test_no_rows_give_none_and_leave_nothing(spark: SparkSession, warm: Tiers) -> None:
    with micro_batch(spark):
        nothing = telemetry(spark).where("id < 0")
        assert exchange(nothing, ["device"]).collect() == []
        assert aggregate(nothing, ["device"], [functions.count("*").alias("n")]).collect() == []
    assert warm.reports[-1]["blocks"] == 0


def test_what_cannot_be_done_is_said(spark: SparkSession, warm: Tiers) -> None:
    rows = telemetry(spark, 10)
    with pytest.raises(RuntimeError, match="belongs to a batch"):
        exchange(rows, ["device"])
    with micro_batch(spark):
        with pytest.raises(ValueError, match="key 'city' is not among the columns id, device"):
            exchange(rows, ["city"])
        with pytest.raises(CannotCut, match="floating point"):
            exchange(rows, ["value"])
        with pytest.raises(CannotCut, match="state an aggregate function"):
            aggregate(rows, ["device"], [functions.lit(1)])
        with pytest.raises(ValueError, match="at least one key"):
            aggregate(rows, [], [functions.count("*")])
        with pytest.raises(CannotCut, match="floating point"):
            aggregate(rows, ["value"], [functions.count("*")])
    assert not warm.blocks()


@pytest.mark.parametrize("after", [False, True])
def test_a_task_that_is_tried_again_doubles_nothing(
    spark: SparkSession, warm: Tiers, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """The first attempt of one task fails, before it reads a row or after it has written its block."""

    class FailingOnce(tasks.MapTask):
        def run(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            context = TaskContext.get()
            assert context is not None
            fails = context.partitionId() == 1 and context.attemptNumber() == 0
            if fails and not after:
                raise OSError("the sensor's file is being rotated")
            yield from tasks.MapTask.run(self, batches)
            if fails:
                raise OSError("the sensor's file was cut short")

    monkeypatch.setattr(tasks, "MapTask", FailingOnce)
    rows = telemetry(spark)
    with micro_batch(spark):
        moved = exchange(rows, ["device"])
        assert len(warm.blocks()) == MAPS + (1 if after else 0), "the loser's block is there"
        assert sorted_rows(moved) == sorted_rows(rows)
    assert warm.reports[-1]["blocks"] == MAPS
    warm.cleaned()
    assert not warm.blocks()


def counted(rows: DataFrame) -> tuple[DataFrame, Callable[[], int]]:
    """The same rows, and how many tasks have begun to make them."""
    runs = rows.sparkSession.sparkContext.accumulator(0)

    def through(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        runs.add(1)
        yield from batches

    return rows.mapInArrow(through, rows.schema), lambda: int(runs.value)


def test_nothing_is_computed_again_for_an_executor_that_is_lost_after_it_wrote(
    spark: SparkSession, warm: Tiers
) -> None:
    rows, runs = counted(telemetry(spark))
    with micro_batch(spark):
        moved = exchange(rows, ["device"])
        assert runs() == MAPS
        for executor in executors(spark):  # all that have written
            kill_executor(spark, executor)
        assert sorted_rows(moved) == sorted_rows(telemetry(spark))
    assert runs() == MAPS
    assert warm.reports[-1]["attempts"] == 1
    await_executors(spark, 2)


def run_batch(rows: DataFrame, between: Callable[[int], None]) -> tuple[list[Any], list[list[str]]]:
    """One batch as foreachBatch runs it: what it returned in the end, and what each attempt got so far."""
    results: list[list[str]] = []

    def write(batch: DataFrame, number: int) -> None:
        moved = exchange(batch, ["device"])
        between(len(results))
        results.append([])
        results[-1] = sorted_rows(moved)

    tiered(write)(rows, 7)
    return results[-1], results


def test_a_lost_block_is_made_again(spark: SparkSession, warm: Tiers) -> None:
    rows = telemetry(spark)

    def lose(attempt: int) -> None:
        if attempt == 0:
            warm.blocks()[0].unlink()

    found, attempts = run_batch(rows, lose)
    assert found == sorted_rows(rows)
    assert len(attempts) == 2
    (report,) = warm.reports
    assert (report["attempts"], report["batchId"], report["tier"]) == (2, 7, "Warm")
    assert [(f["tier"], f["reason"]) for f in report["failures"]] == [("Warm", "BlockMissing")]
    warm.cleaned()
    assert not warm.blocks()


def test_a_batch_whose_blocks_are_always_lost_fails_in_the_end(spark: SparkSession, warm: Tiers) -> None:
    with pytest.raises(Exception, match="is not there"):
        run_batch(telemetry(spark), lambda _: [path.unlink() for path in warm.blocks()] and None)
    assert not warm.reports, "a batch that failed is not reported as done"


def test_a_tier_that_dies_in_mid_batch_is_replaced_and_tried_again_later(spark: SparkSession, tmp_path: Path) -> None:
    rows = telemetry(spark)
    with tiers_of(tmp_path, "Hot", "Warm") as tiers:
        tiers.want("Hot", "None")
        found, _ = run_batch(rows, lambda _: None)
        assert (found, tiers.reports[-1]["tier"]) == (sorted_rows(rows), "Hot")
        found, attempts = run_batch(rows, lambda attempt: tiers.redis.close() if attempt == 0 else None)
        assert found == sorted_rows(rows)
        assert len(attempts) == 2
        report = tiers.reports[-1]
        assert (report["wantedTier"], report["tier"], report["attempts"]) == ("Hot", "Warm", 2)
        assert [(f["tier"], f["reason"]) for f in report["failures"]] == [("Hot", "TierUnavailable")]
        assert [down["tier"] for down in report["down"]] == ["Hot"]
        found, attempts = run_batch(rows, lambda _: None)
        assert (len(attempts), found) == (1, sorted_rows(rows)), "Redis is not asked before its time"
        assert tiers.reports[-1]["tier"] == "Warm"


def test_a_tier_that_dies_while_tasks_write_is_replaced_by_the_tasks(spark: SparkSession, tmp_path: Path) -> None:
    rows = telemetry(spark)
    with tiers_of(tmp_path, "Hot", "Warm") as tiers:
        tiers.want("Hot")
        tiers.redis.close()
        found, attempts = run_batch(rows, lambda _: None)
        assert (len(attempts), found) == (1, sorted_rows(rows))
        (report,) = tiers.reports
        assert (report["tier"], set(report["tiers"])) == ("Warm", {"Warm"})
        assert [(f["tier"], f["reason"]) for f in report["failures"]] == [("Hot", "TierUnavailable")]
        tiers.cleaned()
        assert not tiers.blocks()


def test_the_next_batch_takes_what_is_wanted_then(spark: SparkSession, tmp_path: Path) -> None:
    rows = telemetry(spark)
    with tiers_of(tmp_path, "Hot", "Warm") as tiers:
        for tier, compression in (("Hot", "None"), ("Warm", "ZSTD"), ("Hot", "LZ4")):
            tiers.want(tier, compression)
            assert run_batch(rows, lambda _: tiers.want("Warm", "LZ4"))[0] == sorted_rows(rows)
        done = [(report["wantedTier"], report["tier"], report["compression"]) for report in tiers.reports]
        assert done == [("Hot", "Hot", "None"), ("Warm", "Warm", "ZSTD"), ("Hot", "Hot", "LZ4")]


def test_blocks_of_dead_runs_go_and_those_of_others_stay(spark: SparkSession, warm: Tiers) -> None:
    for key in ("iot/city/r0dead/b3/x0/m1-a1-0", "iot/other/r1/b1/x0/m0-a0-0"):
        path = warm.warm / key
        path.parent.mkdir(parents=True)
        path.write_bytes(b"left")
    with micro_batch(spark):
        exchange(telemetry(spark), ["device"]).count()
        warm.cleaned()
        left = {str(path.relative_to(warm.warm)).split("/")[1] for path in warm.blocks()}
        assert len(warm.blocks()) == MAPS + 1
        assert left == {"city", "other"}
    warm.cleaned()
    assert [path.parts[-4] for path in warm.blocks()] == ["r1"]
