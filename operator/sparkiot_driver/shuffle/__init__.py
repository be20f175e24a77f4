"""The tiered shuffle: a hash-partitioned exchange and a grouped aggregation through Redis, a local disk or S3.

For use inside ``foreachBatch``::

    from sparkiot_driver.shuffle import aggregate, tiered

    def write(batch, number):
        totals = aggregate(batch, ["device"], [functions.count("*").alias("readings")], partitions=8)
        totals.write.mode("overwrite").parquet(f"{sink}/batch={number}")

    stream.writeStream.foreachBatch(tiered(write)).start()

Each micro-batch takes tier and compression from the job's allocation as it begins. Importing this needs pyspark only;
using it needs pyarrow, pandas and the clients of the job's tiers in the image.
"""

from __future__ import annotations

from sparkiot_driver.shuffle.batches import micro_batch, tiered
from sparkiot_driver.shuffle.exchanges import aggregate, exchange
from sparkiot_driver.shuffle.runtime import unusable
from sparkiot_driver.shuffle.settings import ShuffleNotConfigured

__all__ = ["ShuffleNotConfigured", "aggregate", "exchange", "micro_batch", "tiered", "unusable"]
