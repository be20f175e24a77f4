"""Smart city: traffic per district and time window, from the telemetry of road sensors.

A plain PySpark job in one file, for spark-submit or a SparkIoTJob. It reads JSON lines (id, time, device, value) from
a landing folder, also an edge gateway's, or Spark's rate source. Each row is looked up in the device registry, once;
then two results are written:

    SINK/rows/batch=N      every row with its district
    SINK/windows/batch=N   vehicles and top speed per window and district: what batch N adds, for the reader to merge,
                           so that a late row adds to a later batch's figures and is not dropped

Where messages may come twice, as from an edge gateway (QoS 1), `--late` drops the copies, also those that come after a
crash: the ids are state in the checkpoint. Rows that arrive later than that are dropped with them.

Exactly once, also over `kill -9` in mid-batch: the checkpoint fixes which rows batch N holds before it runs, each
batch overwrites folders of its own, and a batch that was not completed runs again under the same number. Three
conditions: a reader takes only folders with `_SUCCESS`; one driver runs at a time; a sink is kept with its checkpoint
(a new one counts from batch 0 and would overwrite). Spark's file sink does without the first two, but it writes one
result for each query, and two queries would ask the registry twice for each row.

Where the job has shuffle tiers, the windows are added up through them.
"""

import argparse
import os
import sys
import time
import zlib
from typing import Any

from pyspark.sql import DataFrame, SparkSession, functions

DISTRICTS = 12


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Traffic per district and time window.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--landing", metavar="DIR", help="folder in which files of JSON lines appear")
    source.add_argument("--rate", metavar="N", type=int, help="rows a second of Spark's rate source instead")
    checkpoint = os.environ.get("SPARKIOT_CHECKPOINT")
    parser.add_argument("--checkpoint", metavar="DIR", default=checkpoint, required=not checkpoint)
    parser.add_argument("--sink", metavar="DIR", required=True, help="folder of the results")
    parser.add_argument("--trigger", default="2 seconds", help="time between micro-batches (%(default)s)")
    parser.add_argument("--max-files", metavar="N", type=int, help="most files in a micro-batch (all new ones)")
    parser.add_argument("--partitions", metavar="N", type=int, default=8, help="tasks that share a batch (%(default)s)")
    parser.add_argument("--window", default="10 seconds", help="length of a window (%(default)s)")
    parser.add_argument(
        "--late",
        metavar="DURATION",
        help="drop copies of a message, which devices send again over an unreliable link, and with them what arrives "
        "later than this after newer messages, such as '10 minutes' (by default every row counts)",
    )
    parser.add_argument(
        "--lookup-ms",
        metavar="X",
        type=float,
        default=0.0,
        help="time that the registry takes for one row; a task slot waits for it (%(default)s)",
    )
    return parser.parse_args()


def telemetry(spark: SparkSession, options: argparse.Namespace) -> DataFrame:
    """The stream: id (bigint, unique), time (timestamp), device (string), value (double, 0 to 100).

    An edge gateway's landing folder holds the devices' own JSON as text, in the field payload.
    """
    if options.rate:
        rows = spark.readStream.format("rate").option("rowsPerSecond", options.rate).load()
        device, value = "concat('device-', value % 200) AS device", "value * 37 % 100 + 0.5D AS value"
        return rows.selectExpr("value AS id", "timestamp AS time", device, value)
    reader = spark.readStream.schema("id STRING, time TIMESTAMP, device STRING, value DOUBLE, payload STRING")
    # Its folders by date and hour appear while the query runs; as columns they would change its schema.
    reader = reader.option("recursiveFileLookup", True)
    if options.max_files:
        reader = reader.option("maxFilesPerTrigger", options.max_files)
    sent = reader.json(options.landing).withColumn(
        "sent", functions.from_json("payload", "time TIMESTAMP, value DOUBLE")
    )
    time, value = "coalesce(sent.time, time) AS time", "coalesce(sent.value, value) AS value"
    return sent.selectExpr("CAST(id AS BIGINT) AS id", time, "device", value)


def once(rows: DataFrame, late: "str | None") -> DataFrame:
    """Each message of a device once by its id, with state for as long as a copy may be late."""
    return rows.withWatermark("time", late).dropDuplicatesWithinWatermark(["device", "id"]) if late else rows


def shuffle_tiers() -> Any:
    """The tiered shuffle where the job has tiers and the image its packages; else None, and Spark's own serves."""
    try:
        from sparkiot_driver import shuffle
    except ImportError:
        return None  # a plain spark-submit
    reason = shuffle.unusable()
    if reason:
        sys.stderr.write(f"this job shuffles by Spark's own means: {reason}\n")
    return None if reason else shuffle


def main() -> None:
    options = arguments()
    spark = SparkSession.builder.appName("traffic-windows").getOrCreate()
    spark.conf.set("spark.sql.shuffle.partitions", options.partitions)
    lookup_s = options.lookup_ms / 1000

    def district(device: str) -> str:
        """Stands for a call to a device registry: it waits and computes nothing, so it scales with task slots."""
        if lookup_s:
            time.sleep(lookup_s)
        return f"district-{zlib.crc32(device.encode()) % DISTRICTS}"

    tiers = shuffle_tiers()
    lookup = functions.udf(district, "string", useArrow=False)  # Arrow needs packages that an image may lack

    def write_batch(batch: DataFrame, number: int) -> None:
        # Spread before the lookup: a landing file is one partition, and would keep all but one executor idle.
        rows = batch.repartition(options.partitions).withColumn("district", lookup("device")).persist()
        try:
            rows.write.mode("overwrite").json(f"{options.sink}/rows/batch={number}")
            keys = [functions.window("time", options.window), "district"]
            figures = [functions.count("*").alias("vehicles"), functions.max("value").alias("top_speed")]
            windows = tiers.aggregate(rows, keys, figures) if tiers else rows.groupBy(*keys).agg(*figures)
            windows.write.mode("overwrite").json(f"{options.sink}/windows/batch={number}")
        finally:
            rows.unpersist()

    write = tiers.tiered(write_batch) if tiers else write_batch
    query = once(telemetry(spark, options), options.late).writeStream.queryName("traffic").foreachBatch(write)
    query.option("checkpointLocation", options.checkpoint).trigger(processingTime=options.trigger).start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()
