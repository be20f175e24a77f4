"""Blocks of the tiered shuffle: every row of a task is in its partition's segment, once, in order."""

import datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_driver.shuffle.blocks import CODECS, Block, decode, encode
from sparkiot_driver.shuffle.lost import LostBlocks, found_in
from sparkiot_driver.shuffle.tasks import _decoded

SCHEMA = pa.schema(
    [
        ("device", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("window", pa.struct([("start", pa.timestamp("us", tz="UTC")), ("tags", pa.list_(pa.int32()))])),
        ("amount", pa.decimal128(20, 4)),
        ("raw", pa.binary()),
    ]
)
MOMENTS = st.datetimes(timezones=st.just(datetime.UTC))
ROWS = st.fixed_dictionaries(
    {
        "device": st.none() | st.text(max_size=8),
        "time": st.none() | MOMENTS,
        "value": st.none() | st.floats(allow_nan=False),
        "window": st.none()
        | st.fixed_dictionaries(
            {
                "start": st.none() | MOMENTS,
                "tags": st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=3),
            }
        ),
        "amount": st.none() | st.decimals(-(10**15), 10**15, places=4),
        "raw": st.none() | st.binary(max_size=8),
    }
)


def batches_of(rows: list[dict[str, Any]], numbers: list[int], size: int) -> list[pa.RecordBatch]:
    """Record batches of at most ``size`` rows, with the partition as their last column."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA).append_column("partition", pa.array(numbers, pa.int32()))
    return table.to_batches(max_chunksize=size)


def segment(block: Block, partition: int) -> pa.Buffer:
    bounds = [block.first, *block.ends]
    return block.data.slice(bounds[partition], bounds[partition + 1] - bounds[partition])


def rows_of(block: Block, partition: int) -> list[dict[str, Any]]:
    return [row for batch in decode([segment(block, partition)], block.schema) for row in batch.to_pylist()]


@given(
    st.lists(st.tuples(ROWS, st.integers(0, 6)), min_size=1, max_size=40),
    st.integers(1, 10),
    st.sampled_from(sorted(CODECS)),
)
def test_every_row_is_in_the_segment_of_its_partition_in_order(
    rows: list[tuple[dict[str, Any], int]], size: int, compression: str
) -> None:
    block = encode(batches_of([row for row, _ in rows], [number for _, number in rows], size), 7, compression)
    assert block.rows == len(rows)
    assert block.schema.equals(SCHEMA)
    for partition in range(7):
        assert rows_of(block, partition) == [row for row, number in rows if number == partition]


def test_an_empty_segment_takes_no_bytes_and_gives_no_rows() -> None:
    row = dict.fromkeys(SCHEMA.names)
    block = encode(batches_of([row] * 5, [2] * 5, 2), 4, "LZ4")
    assert block.ends[0] == block.ends[1] == block.first
    assert block.ends[2] == block.ends[3] > block.first
    assert rows_of(block, 0) == rows_of(block, 3) == []
    assert rows_of(block, 2) == [row] * 5


def test_segments_of_several_blocks_are_read_together() -> None:
    table = pa.table({"n": [1, 2, 3], "partition": pa.array([0, 1, 0], pa.int32())})
    first, second = (encode(table.to_batches(), 2, compression) for compression in ("None", "ZSTD"))
    found = decode([segment(first, 0), b"", segment(second, 0)], first.schema)
    assert [batch.column("n").to_pylist() for batch in found] == [[1, 3], [1, 3]]


@pytest.mark.parametrize("compression", ["LZ4", "ZSTD"])
def test_compression_makes_repetitive_rows_smaller_and_a_block_is_a_plain_arrow_stream(compression: str) -> None:
    table = pa.table({"n": [7] * 10_000, "partition": pa.array([0, 1] * 5_000, pa.int32())})
    plain, small = (encode(table.to_batches(), 2, codec) for codec in ("None", compression))
    assert small.data.size < plain.data.size / 10
    assert plain.raw_bytes == small.raw_bytes == 80_000
    assert plain.data.size < 82_000
    assert pa.ipc.open_stream(small.data).read_all().num_rows == 10_000


def test_a_block_is_hardly_larger_than_its_rows() -> None:
    texts = [f"device-{number}" for number in range(5_000)]
    table = pa.table({"device": texts, "partition": pa.array([number % 3 for number in range(5_000)], pa.int32())})
    block = encode(table.to_batches(), 3, "None")
    assert block.raw_bytes < block.data.size < block.raw_bytes + 3_000


@pytest.mark.parametrize("compression", ["None", "LZ4", "ZSTD"])
@pytest.mark.parametrize("damage", ["zeros", "cut"])
def test_a_damaged_segment_is_a_lost_block(compression: str, damage: str) -> None:
    numbers = pa.array([row % 4 for row in range(1_000)], pa.int32())
    rows = pa.RecordBatch.from_arrays([pa.array(range(1_000)), numbers], names=["id", "partition"])
    block = encode([rows], 4, compression)
    whole = bytes(memoryview(block.data))[block.ends[0] : block.ends[1]]
    assert sum(found.num_rows for found in _decoded("Warm", [whole], block.schema)) == 250
    segment = bytes(len(whole)) if damage == "zeros" else whole[: len(whole) // 2]
    with pytest.raises(LostBlocks) as caught:
        list(_decoded("Warm", [segment], block.schema))
    lost = found_in(caught.value)
    assert lost is not None
    assert lost[:2] == ("Warm", "BlockDamaged")
