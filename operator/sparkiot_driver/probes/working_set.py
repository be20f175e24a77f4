"""What `sparkiot calibrate` runs to see when an executor's memory is full: batches whose working set grows.

A plain PySpark job in one file. It reads JSON lines (id, time, device, value) from two landing folders, lets each row
stand for so many KiB, and works on a batch in a single task:

    LANDING/sort   sorts them, which Spark does in memory while there is room, and with files on disk beyond
    LANDING/hold   collects them into a list, which Spark has to hold; beyond, the executor dies

It writes no result: what counts is how long its batches take, what they spill, and which of them kills an executor.
"""

import argparse

from pyspark.sql import Column, DataFrame, SparkSession, functions

BYTES_PER_DIGEST = 32


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Batches whose working set grows.")
    parser.add_argument("--landing", metavar="DIR", required=True, help="folder of the folders sort and hold")
    parser.add_argument("--checkpoint", metavar="DIR", required=True)
    parser.add_argument("--trigger", default="1 second", help="time between micro-batches (%(default)s)")
    parser.add_argument("--row-kib", metavar="N", type=int, default=64, help="KiB that a row stands for (%(default)s)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    spark = SparkSession.builder.appName("working-set").getOrCreate()

    def payload() -> Column:
        """KiB of text that differs from row to row, made where the row is worked on."""
        times = options.row_kib * 1024 // BYTES_PER_DIGEST
        return functions.expr(f"repeat(md5(cast(id AS string)), {times})").alias("payload")

    def sort(batch: DataFrame, _: int) -> None:
        rows = batch.repartition(1).select(payload())
        rows.sortWithinPartitions("payload").write.format("noop").mode("overwrite").save()

    def hold(batch: DataFrame, _: int) -> None:
        rows = batch.repartition(1).select(payload())
        rows.agg(functions.size(functions.collect_list("payload"))).write.format("noop").mode("overwrite").save()

    for name, work in (("sort", sort), ("hold", hold)):
        reader = spark.readStream.schema("id BIGINT, time TIMESTAMP, device STRING, value DOUBLE")
        query = reader.json(f"{options.landing}/{name}").writeStream.queryName(name).foreachBatch(work)
        query = query.option("checkpointLocation", f"{options.checkpoint}/{name}")
        query.trigger(processingTime=options.trigger).start()
    spark.streams.awaitAnyTermination()


if __name__ == "__main__":
    main()
