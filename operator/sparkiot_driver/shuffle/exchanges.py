"""The public operations: rows partitioned by keys through the tiers, and a grouped aggregation over that."""

from __future__ import annotations

from typing import Any, Sequence

from pyspark.sql import DataFrame, Row, functions

from sparkiot_driver.shuffle import plan
from sparkiot_driver.shuffle.batches import current
from sparkiot_driver.shuffle.requirements import MissingPackage

BLOCK_BYTES = 64 << 20
"""Raw size of the blocks that map tasks write."""
TASK_BYTES = 64 << 20
"""Raw size of what a reduce task of an aggregation reads at most, as Spark's own are planned."""


def exchange(frame: DataFrame, keys: Sequence[str], partitions: int | None = None) -> DataFrame:
    """The rows of a frame, those with equal keys in one partition, through blocks in the wanted tier.

    Spark knows how the result is partitioned: grouping or joining it by these keys shuffles nothing again. The blocks
    are written before this returns, and read with each action on the result, until the batch is over. An executor that
    is lost after the writing takes no block with it.

    keys: names of columns, none of floating point or with a collation. partitions: by default what
    spark.sql.shuffle.partitions says.
    Raises RuntimeError outside of a batch, CannotCut, ValueError for a key that is no column.
    """
    count = partitions or _default_partitions(frame)
    names = frame.columns
    for key in keys:
        if names.count(key) != 1:
            raise ValueError(
                f"key {key!r} is {'twice' if key in names else 'not'} among the columns {', '.join(names)}"
            )
        plan.refuse_type(frame.schema[key].dataType.json(), key)
    if not keys:
        raise ValueError("an exchange needs at least one key")
    places = [names.index(key) for key in keys]
    moved, tasks = _through(plan.named(frame), places, count, least_tasks=count)
    return plan.partitioned(moved, frame.schema, places, tasks)


def aggregate(
    frame: DataFrame, keys: Sequence[Any], columns: Sequence[Any], partitions: int | None = None
) -> DataFrame:
    """``frame.groupBy(*keys).agg(*columns)`` with its shuffle through the tiers.

    Each task aggregates its own rows first, as in Spark's own shuffle, and with Spark's own code; so the result is
    Spark's, whatever the aggregates. Aggregates over DISTINCT values pass through Spark's own shuffle before.

    keys, columns: as groupBy and agg take them, one key at least. partitions: as in ``exchange``, but at most so many:
    where the rows are few, fewer tasks read them. Errors: as there.
    """
    if not keys:
        raise ValueError("a tiered aggregation needs at least one key")
    count = partitions or _default_partitions(frame)
    cut = plan.Cut(frame.groupBy(*keys).agg(*columns))
    least = frame.sparkSession.sparkContext.defaultParallelism
    partials, tasks = _through(cut.partial(), list(range(len(cut.keys))), count, least_tasks=least)
    return cut.total(partials, tasks)


def tasks_for(partitions: int, *, least: int, raw_bytes: int) -> int:
    """How many reduce tasks read so many partitions: at least so many, and TASK_BYTES at most for each.

    A divisor of the partitions, since rows that lie in P partitions by their hash modulo P lie in T groups of these by
    their hash modulo T. Each task costs Spark a tenth of a second where Python is in it, so many small ones are dear.
    """
    divisors = [tasks for tasks in range(1, partitions + 1) if partitions % tasks == 0]
    return next(t for t in divisors if t == partitions or (t >= least and raw_bytes <= t * TASK_BYTES))


def _through(frame: DataFrame, keys: Sequence[int], partitions: int, *, least_tasks: int) -> tuple[DataFrame, int]:
    """The rows of a frame with columns c0, c1, ... by the hash of some of them, as Spark hashes: in how many tasks."""
    from sparkiot_driver.shuffle.tasks import STATUS_DDL, MapTask, ReduceTask, Written  # they import pyarrow

    batch = current()
    runtime = batch.runtime
    prefix = batch.new_exchange()
    number = functions.pmod(functions.hash(*(f"c{i}" for i in keys)), functions.lit(partitions))
    task = MapTask(
        runtime.settings.tiers, batch.order, runtime.mark, batch.wanted.compression, partitions, prefix, BLOCK_BYTES
    )
    statuses = _collected(frame.select("*", number.alias("partition")).mapInArrow(task.run, STATUS_DDL))
    batch.wrote(statuses)
    schema = bytes(statuses[0].schema) if statuses else None
    written = [Written(row.tier, row.key, row.bounds) for row in statuses]
    spark = frame.sparkSession
    index = batch.keep(spark.sparkContext.broadcast((schema, written)))
    tasks = tasks_for(partitions, least=least_tasks, raw_bytes=sum(row.raw_bytes for row in statuses))
    reduce = ReduceTask(runtime.settings.tiers, runtime.mark, index, runtime.reads, prefix, partitions, tasks)
    return spark.range(0, tasks, 1, tasks).mapInArrow(reduce.run, frame.schema), tasks


def _collected(frame: DataFrame) -> list[Row]:
    try:
        return list(frame.collect())
    except Exception as error:
        if "No module named 'pyarrow'" in str(error):
            raise MissingPackage(
                "the executors' image lacks pyarrow: add `pip install pyarrow pandas` to it"
            ) from error
        raise


def _default_partitions(frame: DataFrame) -> int:
    return int(frame.sparkSession.conf.get("spark.sql.shuffle.partitions"))
