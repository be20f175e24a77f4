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
    numbers = table.column(table.num_columns - 1).chunk(0)
    table = table.remove_column(table.num_columns - 1)
    rows = table.take(pc.array_sort_indices(numbers)).combine_chunks().to_batches()[0]
    segments = _segments(rows, numbers, partitions)
    options = pa.ipc.IpcWriteOptions(compression=CODECS[compression], use_threads=False)  # a task has one core
    buffer = None
    if compression == "None":  # a stream that grows as it is written is copied time and again
        buffer = pa.allocate_buffer(_size(segments, rows.schema))
    sink = pa.BufferOutputStream() if buffer is None else pa.FixedSizeBufferWriter(buffer)
    ends: list[int] = []
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_batch(_empty(rows.schema))  # so that the schema is out, and segments begin after it
        first = sink.tell()
        for segment in segments:
            if segment.num_rows:
                writer.write_batch(segment)
            ends.append(sink.tell())
    size = sink.tell()
    data = sink.getvalue() if buffer is None else buffer.slice(0, size)
    return Block(data, first, ends, rows.schema, rows.num_rows, table.nbytes)


def decode(segments: Sequence[object], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of segments of that schema, which may come from several blocks. Empty ones are left out."""
    for segment in segments:
        buffer = pa.py_buffer(segment)
        if buffer.size:
            yield pa.ipc.read_record_batch(pa.ipc.read_message(buffer), schema)


def _segments(rows: pa.RecordBatch, numbers: pa.Array, partitions: int) -> list[pa.RecordBatch]:
    """The rows of each partition, which lie one after another; ``numbers`` are theirs in any order."""
    counted = pc.value_counts(numbers)
    counts = dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist()))
    segments, begin = [], 0
    for partition in range(partitions):
        segments.append(rows.slice(begin, counts.get(partition, 0)))
        begin += counts.get(partition, 0)
    return segments


def _size(segments: Sequence[pa.RecordBatch], schema: pa.Schema) -> int:
    """Bytes that a stream of them takes without compression, the empty batch before them and its end included."""
    batches = sum(pa.ipc.get_record_batch_size(segment) for segment in segments)
    return int(batches + pa.ipc.get_record_batch_size(_empty(schema)) + schema.serialize().size + 64)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    """A slice of no rows would do, but for what Arrow writes of it: offsets of all the rows that it was cut from."""
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
