"""Industry: how far each machine is from its rated output, from telemetry joined with the plant's machine list.

A plain PySpark job in one file, for spark-submit or a SparkIoTJob. It reads JSON lines (id, time, device, value) from
a landing folder, also an edge gateway's, or Spark's rate source, and joins each row with the machine that sent it (a
join through a shuffle, as with a list that is too long to broadcast). One result:

    SINK/rows   every row with the machine's line, its rated output and the share of it that was reached

Rows of unknown machines are kept, with nothing from the list: a throughput report must not lose what it cannot
explain.

Exactly once, also over `kill -9` in mid-batch: Spark's file sink lists the files of a batch in `_spark_metadata` in
one atomic step. Files that a killed batch left are in no list, and a batch that is listed is not written again. A
reader must follow that list (Spark does), and a sink is kept with its checkpoint: a new one counts batches from 0,
and they would be taken for written.

Where messages may come twice, as from an edge gateway (QoS 1), `--late` drops the copies, also those that come after a
crash: the ids are state in the checkpoint. Rows that arrive later than that are dropped with them.

Where the job has shuffle tiers, both sides of the join are exchanged through them, within foreachBatch. Then each batch
overwrites a folder of its own, SINK/rows/batch=N, and a reader takes only folders with `_SUCCESS`. A sink that was
begun in one of these two ways is not continued in the other.
"""

import argparse
import os
import sys
from typing import Any

from pyspark.sql import DataFrame, SparkSession, functions


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Output of machines against their rated output.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--landing", metavar="DIR", help="folder in which files of JSON lines appear")
    source.add_argument("--rate", metavar="N", type=int, help="rows a second of Spark's rate source instead")
    checkpoint = os.environ.get("SPARKIOT_CHECKPOINT")
    parser.add_argument("--checkpoint", metavar="DIR", default=checkpoint, required=not checkpoint)
    parser.add_argument("--sink", metavar="DIR", required=True, help="folder of the results")
    parser.add_argument("--trigger", default="2 seconds", help="time between micro-batches (%(default)s)")
    parser.add_argument("--max-files", metavar="N", type=int, help="most files in a micro-batch (all new ones)")
    parser.add_argument("--partitions", metavar="N", type=int, default=8, help="partitions of the join (%(default)s)")
    parser.add_argument(
        "--late",
        metavar="DURATION",
        help="drop copies of a message, which devices send again over an unreliable link, and with them what arrives "
        "later than this after newer messages, such as '10 minutes' (by default every row counts)",
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


def machines(spark: SparkSession) -> DataFrame:
    """The plant's list, in place of a table of its inventory: device, line, rated (output at full speed)."""
    return spark.range(180).selectExpr(
        "concat('device-', id) AS device", "concat('line-', id % 9) AS line", "60D + id % 5 * 10 AS rated"
    )


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
    spark = SparkSession.builder.appName("industrial-join").getOrCreate()
    spark.conf.set("spark.sql.shuffle.partitions", options.partitions)

    tiers = shuffle_tiers()
    stream = once(telemetry(spark, options), options.late)
    if tiers:

        def write_batch(batch: DataFrame, number: int) -> None:
            listed = tiers.exchange(machines(spark), ["device"], options.partitions)
            rows = output(tiers.exchange(batch, ["device"], options.partitions), listed)
            rows.write.mode("overwrite").json(f"{options.sink}/rows/batch={number}")

        query = stream.writeStream.foreachBatch(tiers.tiered(write_batch))
    else:
        rows = output(stream, machines(spark).hint("shuffle_hash"))
        query = rows.writeStream.format("json").option("path", f"{options.sink}/rows")
    query = query.queryName("output").trigger(processingTime=options.trigger)
    query.option("checkpointLocation", options.checkpoint).start()
    spark.streams.awaitAnyTermination()


def output(rows: DataFrame, listed: DataFrame) -> DataFrame:
    """Each row beside its machine, with the share of the rated output that it reached."""
    joined = rows.join(listed, "device", "left")
    return joined.withColumn("reached", functions.col("value") / functions.col("rated"))


if __name__ == "__main__":
    main()
