"""A block: the rows of one map task as one Arrow stream, a record batch a partition, so that each can be read alone.

Needs pyarrow; runs in executors. Pure.
"""

from __future__ import annotations

from typing import Iterator, NamedTuple, Sequence

import pyarrow as pa
import pyarrow.compute as pc

CODECS = {"None": None, "LZ4": "lz4", "ZSTD": "zstd"}
"""Arrow's names of the resource's compressions; LZ4 is its frame format."""


class Block(NamedTuple):
    """data: the whole stream. ends: where each partition's segment ends in it, in bytes; first: where the first begins.

    An empty segment ends where the one before does. rows, raw_bytes: of the table, as Arrow has it in memory.
    """

    data: pa.Buffer
    first: int
    ends: list[int]
    schema: pa.Schema
    rows: int
    raw_bytes: int


def encode(batches: Sequence[pa.RecordBatch], partitions: int, compression: str) -> Block:
    """One block of at least one batch, whose last column is the partition of each row, from 0 (int32, no nulls).

    The order of rows within a partition is kept.
    """
    table = pa.Table.from_batches(batches).combine_chunks()
    numbers = table.column(table.num_columns - 1).combine_chunks()
    numbers = numbers.chunk(0) if isinstance(numbers, pa.ChunkedArray) else numbers
    rows = table.remove_column(table.num_columns - 1)
    order = pc.array_sort_indices(numbers)
    counts = dict(zip(*_counted(numbers)))
    rows = rows.take(order).combine_chunks()
    whole = rows.to_batches()[0]
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=CODECS[compression], use_threads=False)  # a task has one core
    ends: list[int] = []
    begin = 0
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_batch(whole.slice(0, 0))  # so that the schema is out, and segments begin after it
        first = sink.tell()
        for partition in range(partitions):
            count = counts.get(partition, 0)
            if count:
                writer.write_batch(whole.slice(begin, count))
                begin += count
            ends.append(sink.tell())
    return Block(sink.getvalue(), first, ends, rows.schema, rows.num_rows, rows.nbytes)


def decode(segments: Sequence[object], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of segments of that schema, which may come from several blocks. Empty ones are left out."""
    for segment in segments:
        buffer = pa.py_buffer(segment)
        if buffer.size:
            yield pa.ipc.read_record_batch(pa.ipc.read_message(buffer), schema)


def _counted(numbers: pa.Array) -> Sequence[list[int]]:
    counted = pc.value_counts(numbers)
    return counted.field("values").to_pylist(), counted.field("counts").to_pylist()
