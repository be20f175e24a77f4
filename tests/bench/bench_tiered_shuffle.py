"""Grouped aggregation of ten million readings: the tiered shuffle against Spark's own, on the same data and executors.

python tests/bench/bench_tiered_shuffle.py [--rows N] [--devices N ...] [--rounds N] [--tiers Hot Warm Cold] [--kill]

Readings are what an IoT job would shuffle: id, device (text), time, value, in Parquet files on the local disk, in the
order of their times. They are grouped by device and window of ten seconds (count, highest value, mean); more devices
make more groups, so that more of the data has to be shuffled. Both ways run in turns on two executors of one core each,
into Spark's sink that keeps nothing; printed are medians and ratios, of time and of the processor time of driver,
executors and their Python workers. Bars for the time: 1.3 on Warm, 1.6 on Hot and Cold.

With --kill one of the executors is killed as soon as all map tasks have ended: Spark's own shuffle computes what was
lost with it again, the tiered one must be faster than that.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from pyspark.sql import DataFrame, SparkSession, functions
from support_shuffle import Tiers, await_executors, executors, kill_executor, spark_session, tiers_of

from sparkiot_driver.shuffle import aggregate, micro_batch

BARS = {"Warm": 1.3, "Hot": 1.6, "Cold": 1.6}
COMPRESSION = {"Warm": "LZ4", "Hot": "None", "Cold": "ZSTD"}
PARTITIONS = 8
SPAN_S = 60
"""Seconds that the readings cover: six windows of ten."""


def readings(spark: SparkSession, folder: Path, rows: int, devices: int) -> DataFrame:
    path = str(folder / f"readings-{devices}")
    spark.range(0, rows, 1, PARTITIONS).selectExpr(
        "id",
        f"concat('device-', pmod(hash(id), {devices})) AS device",
        f"timestamp_micros(1700000000000000 + id * {SPAN_S * 1_000_000 // rows or 1}) AS time",
        "round(id * 37 % 1000 / 10D, 1) AS value",
    ).write.parquet(path)
    return spark.read.parquet(path)


def keys() -> list[Any]:
    return ["device", functions.window("time", "10 seconds").alias("window")]


def columns() -> list[Any]:
    return [
        functions.count("*").alias("readings"),
        functions.max("value").alias("highest"),
        functions.avg("value").alias("mean"),
    ]


def own(rows: DataFrame) -> None:
    write(rows.groupBy(*keys()).agg(*columns()))


def tiered(rows: DataFrame, between: Callable[[], None] = lambda: None) -> None:
    with micro_batch(rows.sparkSession):
        result = aggregate(rows, keys(), columns(), PARTITIONS)
        between()
        write(result)


def write(result: DataFrame) -> None:
    result.write.format("noop").mode("overwrite").save()


class Cost(NamedTuple):
    """Of one batch: seconds that it took, and processor seconds of all that works for Spark."""

    seconds: float
    processor: float


def measured(call: Callable[[], None]) -> Cost:
    before, begun = processor_seconds(), time.perf_counter()
    call()
    return Cost(time.perf_counter() - begun, processor_seconds() - before)


def processor_seconds() -> float:
    """Of this process and all below it: Spark's driver, executors, Python workers."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


def kill_after_map_stage(spark: SparkSession) -> threading.Thread:
    """Kill the first executor once the next stage has ended."""
    store = spark.sparkContext._jsc.sc().statusStore()
    none = spark.sparkContext._gateway.new_array(spark.sparkContext._jvm.double, 0)
    before = store.stageList(None, False, False, none, None).size()
    victim = executors(spark)[0]

    def watch() -> None:
        while True:
            stages = store.stageList(None, False, False, none, None)
            new = [stages.apply(i) for i in range(stages.size() - before)]
            if any(stage.status().toString() == "COMPLETE" for stage in new):
                break
            time.sleep(0.01)
        kill_executor(spark, victim)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def compare(rows: DataFrame, tiers: Tiers, names: list[str], rounds: int) -> None:
    for name in names:
        tiers.want(name, COMPRESSION[name])
        theirs, ours = list[Cost](), list[Cost]()
        for number in range(rounds + 1):
            pair = measured(lambda: own(rows)), measured(lambda: tiered(rows))
            if number:  # the first round compiles, and starts Python
                theirs.append(pair[0])
                ours.append(pair[1])
        told, report = f"{summary(theirs, ours, BARS[name])}; {processors(theirs, ours)}", tiers.reports[-1]
        raw, stored = report["rawBytes"] / 1e6, report["storedBytes"] / 1e6
        print(f"  {name:4} {COMPRESSION[name]:4} {told}", flush=True)
        print(
            f"            {report['rows']} rows in {report['blocks']} blocks, {raw:.1f} MB, stored {stored:.1f} MB; "
            f"tasks wrote {report['writeSeconds']:.2f} s, read {report['readSeconds']:.2f} s",
            flush=True,
        )


def summary(theirs: list[Cost], ours: list[Cost], bar: float) -> str:
    a, b = (statistics.median(cost.seconds for cost in costs) for costs in (theirs, ours))
    turns = sorted(y.seconds / x.seconds for x, y in zip(theirs, ours, strict=True))
    return (
        f"tiered {b:5.2f} s, Spark {a:5.2f} s, ratio {b / a:4.2f} (bar {bar}); of each turn "
        f"{' '.join(f'{turn:4.2f}' for turn in turns)}; load {os.getloadavg()[0]:.1f}"
    )


def processors(theirs: list[Cost], ours: list[Cost]) -> str:
    """Of no use where executors die, whose time is lost with them."""
    a, b = (statistics.median(cost.processor for cost in costs) for costs in (theirs, ours))
    return f"processor {b:5.2f} s and {a:5.2f} s, ratio {b / a:4.2f}"


def compare_with_a_loss(spark: SparkSession, rows: DataFrame, tiers: Tiers, rounds: int) -> None:
    tiers.want("Warm", COMPRESSION["Warm"])
    theirs, ours = list[Cost](), list[Cost]()

    def own_with_a_loss() -> None:
        killer = kill_after_map_stage(spark)
        own(rows)
        killer.join()

    for number in range(rounds):
        await_executors(spark, 2)
        own(rows)  # a new executor is cold
        theirs.append(measured(own_with_a_loss))
        await_executors(spark, 2)
        tiered(rows)
        ours.append(measured(lambda: tiered(rows, lambda: kill_executor(spark, executors(spark)[0]))))
        print(
            f"  turn {number + 1} of {rounds}: tiered {ours[-1].seconds:5.2f} s, Spark {theirs[-1].seconds:5.2f} s",
            flush=True,
        )
    print(f"  Warm, an executor killed between map and reduce: {summary(theirs, ours, 1.0)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="The tiered shuffle against Spark's own.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--devices", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiers", nargs="+", choices=list(BARS), default=list(BARS))
    parser.add_argument("--kill", action="store_true", help="also with an executor that is killed")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        spark_session(
            "local-cluster[2,1,2048]",
            spark_executor_memory="2g",
            spark_sql_shuffle_partitions=str(PARTITIONS),
        ) as spark,
        tiers_of(Path(folder), *options.tiers) as tiers,
    ):
        await_executors(spark, 2)
        for devices in options.devices:
            rows = readings(spark, Path(folder), options.rows, devices)
            groups = rows.groupBy(*keys()).count().count()
            print(
                f"{options.rows} readings of {devices} devices, {groups} groups; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            compare(rows, tiers, options.tiers, options.rounds)
            if options.kill:
                compare_with_a_loss(spark, rows, tiers, options.rounds)


if __name__ == "__main__":
    main()
