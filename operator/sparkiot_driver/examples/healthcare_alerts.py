"""Healthcare: alerts and episodes per patient, from the readings of bedside monitors.

A plain PySpark job in one file, for spark-submit or a SparkIoTJob. It reads JSON lines (id, time, device, value) from
a landing folder, also an edge gateway's, or Spark's rate source. A monitor sends a reading again until it is
acknowledged, so copies are dropped with state per patient. Two queries, three results:

    SINK/rows/batch=N      every reading once, with `alert` = it reached the threshold
    SINK/minutes/batch=N   readings, alerts and worst value per patient and minute: what batch N adds, for the reader to
                           merge
    SINK/episodes          stretches of alerts of one patient, closed by a quiet gap: when, how many, how bad (session
                           windows)

Exactly once, also over `kill -9` in mid-batch. Rows and minutes: the checkpoint fixes which rows batch N holds before
it runs, each batch overwrites folders of its own, and a batch that was not completed runs again under the same number;
a reader takes only folders with `_SUCCESS`. Episodes: Spark's file sink lists the files of a batch in
`_spark_metadata` in one atomic step; files that a killed batch left are in no list, a batch that is listed is not
written again, and a reader must follow that list (Spark does). A sink is kept with its checkpoint: a new one counts
batches from 0, and they would be taken for written. State goes back to the version of the last completed batch. A
reading that arrives later than `--late` after newer ones is dropped by Spark: no alert is raised for it, and it is in
no result.

Where the job has shuffle tiers, the minutes are added up through them. What drops copies and what closes episodes keeps
Spark's own shuffle, as these are stateful operators of Spark's.
"""

import argparse
import os
import sys
from typing import Any

from pyspark.sql import DataFrame, SparkSession, functions


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Alerts and episodes per patient.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--landing", metavar="DIR", help="folder in which files of JSON lines appear")
    source.add_argument("--rate", metavar="N", type=int, help="rows a second of Spark's rate source instead")
    checkpoint = os.environ.get("SPARKIOT_CHECKPOINT")
    parser.add_argument("--checkpoint", metavar="DIR", default=checkpoint, required=not checkpoint)
    parser.add_argument("--sink", metavar="DIR", required=True, help="folder of the results")
    parser.add_argument("--trigger", default="2 seconds", help="time between micro-batches (%(default)s)")
    parser.add_argument("--max-files", metavar="N", type=int, help="most files in a micro-batch (all new ones)")
    parser.add_argument("--partitions", metavar="N", type=int, default=8, help="partitions of the state (%(default)s)")
    parser.add_argument("--threshold", type=float, default=90.0, help="value that raises an alert (%(default)s)")
    parser.add_argument("--gap", default="10 seconds", help="quiet time that ends an episode (%(default)s)")
    parser.add_argument("--late", default="2 minutes", help="how late a reading may arrive (%(default)s)")
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
    spark = SparkSession.builder.appName("healthcare-alerts").getOrCreate()
    # The checkpoint keeps the number that the first batch ran with.
    spark.conf.set("spark.sql.shuffle.partitions", options.partitions)

    readings = telemetry(spark, options).withColumnRenamed("device", "patient").withWatermark("time", options.late)
    alert = functions.col("value") >= options.threshold
    rows = readings.dropDuplicatesWithinWatermark(["patient", "id"]).withColumn("alert", alert)
    # A gap of zero keeps a reading out of all sessions, and yet the reading moves the watermark that closes them. A
    # filter would be pushed below the watermark, and an episode would stay open until somebody's next alert.
    gap = functions.when(alert, options.gap).otherwise("0 seconds")
    episodes = readings.groupBy("patient", functions.session_window("time", gap)).agg(
        functions.approx_count_distinct("id").alias("alerts"), functions.max("value").alias("worst")
    )
    tiers = shuffle_tiers()

    def write_batch(batch: DataFrame, number: int) -> None:
        seen = batch.persist()  # so that copies are looked for once
        try:
            seen.write.mode("overwrite").json(f"{options.sink}/rows/batch={number}")
            keys = [functions.window("time", "1 minute"), "patient"]
            figures = [
                functions.count("*").alias("readings"),
                functions.count_if("alert").alias("alerts"),
                functions.max("value").alias("worst"),
            ]
            minutes = tiers.aggregate(seen, keys, figures) if tiers else seen.groupBy(*keys).agg(*figures)
            minutes.write.mode("overwrite").json(f"{options.sink}/minutes/batch={number}")
        finally:
            seen.unpersist()

    queries = {
        "rows": rows.writeStream.foreachBatch(tiers.tiered(write_batch) if tiers else write_batch),
        "episodes": episodes.writeStream.format("json").option("path", f"{options.sink}/episodes"),
    }
    for name, query in queries.items():
        query.queryName(name).trigger(processingTime=options.trigger)
        query.option("checkpointLocation", f"{options.checkpoint}/{name}").start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()
