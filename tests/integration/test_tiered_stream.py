"""A stream whose every batch takes another tier and compression: each row once, and nothing left.

SPARKIOT_STREAM_BATCHES: how many batches; a hundred take a minute on an idle machine.
"""

import itertools
import os
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, functions
from support_shuffle import spark_session, tiers_of

from sparkiot_driver.shuffle import aggregate, tiered

pytestmark = pytest.mark.timeout(600)
BATCHES, ROWS = int(os.environ.get("SPARKIOT_STREAM_BATCHES", "18")), 5_000
"""Batches of the stream, and rows of each."""
DEVICES = 40
CHOICES = list(itertools.product(("Hot", "Warm", "Cold"), ("None", "LZ4", "ZSTD")))


def test_each_batch_takes_another_tier_and_compression(tmp_path: Path) -> None:
    found: dict[int, Counter[str]] = {}

    with ExitStack() as stack:
        spark = stack.enter_context(spark_session("local[2]"))
        tiers = stack.enter_context(tiers_of(tmp_path, "Hot", "Warm", "Cold"))
        tiers.want(*CHOICES[0])

        def write(batch: DataFrame, number: int) -> None:
            keyed = batch.selectExpr(f"concat('device-', value % {DEVICES}) AS device", "value")
            counted = aggregate(keyed, ["device"], [functions.count("*").alias("rows"), functions.sum("value")], 2)
            found[number] = Counter({row.device: row.rows for row in counted.collect()})
            assert sum(found[number].values()) == ROWS
            tiers.want(*CHOICES[(number + 1) % len(CHOICES)])

        source = spark.readStream.format("rate-micro-batch").option("rowsPerBatch", ROWS).option("numPartitions", 1)
        query = (
            source.load()
            .writeStream.foreachBatch(tiered(write))
            .option("checkpointLocation", str(tmp_path / "checkpoint"))
            .start()
        )
        while len(tiers.reports) < BATCHES:
            assert query.exception() is None, query.exception()
            time.sleep(0.1)
        query.stop()
        rows: Counter[str] = Counter()
        for number in range(BATCHES):
            rows += found[number]
        assert rows == Counter(f"device-{value % DEVICES}" for value in range(BATCHES * ROWS))
        done = [(report["batchId"], report["tier"], report["compression"]) for report in tiers.reports[:BATCHES]]
        assert done == [(number, *CHOICES[number % len(CHOICES)]) for number in range(BATCHES)]
        assert {report["query"] for report in tiers.reports} == {str(query.id)}
        assert all(report["attempts"] == 1 and not report["failures"] for report in tiers.reports)
        tiers.cleaned()
        assert not tiers.left()
