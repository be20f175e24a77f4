"""Blocks of sensor rows as Arrow streams, compressed in each of the three ways. Needs pyarrow and numpy only."""

import time
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sparkiot_policies.allocation import COMPRESSIONS, Compression

SIZES_MB = (0.05, 1.0, 4.0, 16.0)
"""Raw sizes: from where the round trip is all that counts to where the bandwidth is."""
ROW_BYTES = 38
"""Of a row of ``sensor_rows``: three numbers of 8 bytes, a name of 10 with its offset of 4."""
DEVICES = 200
CODECS = {Compression.NONE: None, Compression.LZ4: "lz4", Compression.ZSTD: "zstd"}
BYTES_PER_MB = 1e6


@dataclass(frozen=True, slots=True)
class Block:
    """One block in one compression: its bytes, and how long making them took, in seconds."""

    compression: Compression
    raw_mb: float
    data: bytes
    compress_s: float

    @property
    def stored_mb(self) -> float:
        return len(self.data) / BYTES_PER_MB


def blocks(rng: np.random.Generator) -> list[Block]:
    """A block of each size in each compression."""
    sized = [sensor_rows(rng, round(size * BYTES_PER_MB / ROW_BYTES)) for size in SIZES_MB]
    return [compress(rows, compression) for rows in sized for compression in COMPRESSIONS]


def sensor_rows(rng: np.random.Generator, count: int) -> pa.RecordBatch:
    """Rows as the example jobs shuffle them: id, time, device and a reading to a tenth."""
    ids = np.arange(count)
    times = 1_700_000_000_000 + np.sort(rng.integers(0, 60_000, count))
    devices = np.char.add("device-", np.char.zfill((ids % DEVICES).astype(str), 3))
    readings = np.round(50 + 10 * rng.standard_normal(count), 1)
    return pa.RecordBatch.from_pydict(
        {"id": ids, "time": pa.array(times, pa.timestamp("ms")), "device": pa.array(devices), "value": readings}
    )


def compress(rows: pa.RecordBatch, compression: Compression) -> Block:
    """The rows as an Arrow stream, its buffers compressed."""
    begun = time.perf_counter()
    sink = pa.BufferOutputStream()
    # One thread: a task of Spark has one core.
    options = pa.ipc.IpcWriteOptions(compression=CODECS[compression], use_threads=False)
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_batch(rows)
    data = sink.getvalue().to_pybytes()
    return Block(compression, rows.nbytes / BYTES_PER_MB, data, time.perf_counter() - begun)


def decompress(data: bytes) -> float:
    """Seconds that it takes to read the rows of a block."""
    begun = time.perf_counter()
    with pa.ipc.open_stream(data, options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
        reader.read_all()
    return time.perf_counter() - begun
