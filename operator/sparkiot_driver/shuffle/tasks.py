"""What runs in executors: a map task writes its rows as blocks, a reduce task reads one partition of all blocks.

Needs pyarrow. Rows go through as Arrow record batches; Python never sees one of them.
"""

from __future__ import annotations

import json
import time
from typing import Any, Iterable, Iterator, NamedTuple, Sequence

import pyarrow as pa
from pyspark import TaskContext

from sparkiot_driver.shuffle.blocks import Block, decode, encode
from sparkiot_driver.shuffle.lost import Lost, LostBlocks
from sparkiot_driver.shuffle.stores import Stores, open_stores
from sparkiot_tiers.errors import BlockDamaged, BlockMissing, TierError
from sparkiot_tiers.store import Range

READ_BYTES = 16 << 20
"""Stored bytes that a reduce task holds at a time, more only where one segment is larger."""

STATUS = pa.schema(
    [
        ("tier", pa.string()),
        ("key", pa.string()),
        ("bounds", pa.list_(pa.int64())),
        ("schema", pa.binary()),
        ("rows", pa.int64()),
        ("raw_bytes", pa.int64()),
        ("stored_bytes", pa.int64()),
        ("seconds", pa.float64()),
        ("failures", pa.string()),
    ]
)
"""One row a block. bounds: in bytes, where the first segment begins and where each ends. seconds: to write it."""
STATUS_DDL = (
    "tier string, key string, bounds array<bigint>, schema binary, rows bigint, raw_bytes bigint, stored_bytes bigint, "
    "seconds double, failures string"
)


class MapTask(NamedTuple):
    """What all map tasks of an exchange are told.

    order: the tiers to try. mark: a key, as of ``Stores.must_be_shared``. prefix: of the keys of its blocks.
    block_bytes: raw bytes of rows after which a task writes a block; it holds some three times as much in memory.
    """

    tiers: dict[str, Any]
    order: list[str]
    mark: str | None
    compression: str
    partitions: int
    prefix: str
    block_bytes: int

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write the rows, whose last column is their partition; yield what STATUS says of each block."""
        stores = open_stores(self.tiers)
        context = TaskContext.get()
        name = f"{self.prefix}m{context.partitionId()}-a{context.taskAttemptId()}"
        pending: list[pa.RecordBatch] = []
        size = number = 0
        for batch in batches:
            if batch.num_rows:
                pending.append(batch)
                size += batch.nbytes
            if size >= self.block_bytes:
                yield self._write(stores, f"{name}-{number}", pending)
                pending, size, number = [], 0, number + 1
        if pending:
            yield self._write(stores, f"{name}-{number}", pending)

    def _write(self, stores: Stores, key: str, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        block: Block = encode(batches, self.partitions, self.compression)
        begun = time.perf_counter()
        tier, failures = stores.write(self.order, key, [memoryview(block.data)], self.mark)
        seconds = time.perf_counter() - begun
        status = {
            "tier": tier,
            "key": key,
            "bounds": [block.first, *block.ends],
            "schema": block.schema.serialize().to_pybytes(),
            "rows": block.rows,
            "raw_bytes": block.raw_bytes,
            "stored_bytes": block.data.size,
            "seconds": seconds,
            "failures": json.dumps(failures),
        }
        return pa.RecordBatch.from_pylist([status], schema=STATUS)


class Written(NamedTuple):
    """A block that a reduce task may read: where it is, and the bounds of its segments in bytes."""

    tier: str
    key: str
    bounds: list[int]


class ReduceTask(NamedTuple):
    """What all reduce tasks of an exchange are told.

    mark: as of MapTask. written: broadcast (schema, blocks), the schema serialised, None without blocks. reads: an
    accumulator of what was read. exchange: its name in there. partitions: segments of each block. tasks: how many tasks
    there are, a divisor of that; a task reads those partitions whose number leaves its own when divided by it.
    """

    tiers: dict[str, Any]
    mark: str | None
    written: Any
    reads: Any
    exchange: str
    partitions: int
    tasks: int

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of the task whose number comes in. Raises LostBlocks."""
        for batch in batches:
            for task in batch.column(0).to_pylist():
                yield from self._read(task)

    def _read(self, task: int) -> Iterator[pa.RecordBatch]:
        serialised, blocks = self.written.value
        if serialised is None:
            return
        schema = pa.ipc.read_schema(pa.py_buffer(serialised))
        stores = open_stores(self.tiers)
        figures: dict[str, list[float]] = {}
        for tier, requests in _portions(blocks, range(task, self.partitions, self.tasks)):
            begun = time.perf_counter()
            try:
                segments = stores.by_tier[tier].read([Range(*request) for request in requests])
            except TierError as error:
                raise LostBlocks(self._reason(stores, error)) from None
            seconds, size = figures.get(tier, [0.0, 0])
            figures[tier] = [
                seconds + time.perf_counter() - begun,
                size + sum(length for _, _, length in requests),
            ]
            yield from _decoded(tier, segments, schema)
        self.reads.add({(self.exchange, task): [1, figures]})

    def _reason(self, stores: Stores, error: TierError) -> Lost:
        """What is said of it: a block may be missing only from here."""
        try:
            if isinstance(error, BlockMissing):
                stores.must_be_shared(error.tier, self.mark)
        except TierError as found:
            error = found
        return Lost(error.tier, error.reason, str(error))


def _decoded(tier: str, segments: Sequence[object], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Raises LostBlocks for a segment that is not what was written, as it may be after a node's crash."""
    try:
        yield from decode(segments, schema)
    except (pa.ArrowException, EOFError, OSError) as error:
        said = f"a block in tier {tier} is not what was written: {error}; see to the tier's disk"
        raise LostBlocks(Lost(tier, BlockDamaged.__name__, said)) from None


def _portions(blocks: Sequence[Written], partitions: range) -> Iterator[tuple[str, list[tuple[str, int, int]]]]:
    """Ranges of these partitions, by tier, in portions of READ_BYTES."""
    by_tier: dict[str, list[tuple[str, int, int]]] = {}
    sizes: dict[str, int] = {}
    for tier, key, bounds in blocks:
        for partition in partitions:
            offset, length = bounds[partition], bounds[partition + 1] - bounds[partition]
            if not length:
                continue
            by_tier.setdefault(tier, []).append((key, offset, length))
            sizes[tier] = sizes.get(tier, 0) + length
            if sizes[tier] >= READ_BYTES:
                yield tier, by_tier.pop(tier)
                sizes[tier] = 0
    yield from by_tier.items()
