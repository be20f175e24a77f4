"""What the stores of the shuffle tiers cost over their bare clients, and what each tier and compression is worth.

python tests/bench/bench_block_stores.py [FOLDER]

The same bytes go through a store and through its bare client with the same concurrency, in turns; printed are medians
and the ratio of store to client. The bar is 0.7 of the client for each. Servers run on this machine: Redis and
SeaweedFS share its cores with the clients; what a network or a real S3 adds is not in here. FOLDER is where the warm
tier and SeaweedFS write; a temporary one without it.
"""

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import botocore.config
import numpy as np
import pyarrow as pa
import redis
from support_tiers import KEY, PASSWORD, SECRET, redis_server, s3_server

from sparkiot_driver.shuffle.blocks import decode, encode
from sparkiot_operator.calibration.blocks import ROW_BYTES, sensor_rows
from sparkiot_policies.allocation import COMPRESSIONS
from sparkiot_tiers.archive import ArchiveStore
from sparkiot_tiers.cold import CONCURRENCY, Bucket, ColdStore, Credentials
from sparkiot_tiers.hot import HotStore
from sparkiot_tiers.store import BlockStore, Range
from sparkiot_tiers.warm import WarmStore

BAR = 0.7
ROUNDS = 5
SIZES = {"256 KiB": (256 << 10, 64), "4 MiB": (4 << 20, 16), "64 MiB": (64 << 20, 2)}
"""Bytes of a block, and how many of them."""
PUBLISHED = 2400 / 850
"""The gain in throughput that the adaptive shuffle was published with: MB/s with it by MB/s without."""
PARTITIONS = 8
"""Segments of a block."""


class Bare(NamedTuple):
    """A client as one would use it without a store: writes one after another, reads all at once."""

    write: Callable[[str, bytes], Any]
    read: Callable[[Sequence[str]], Any]
    delete: Callable[[Sequence[str]], Any]


def bare_redis(url: str) -> Bare:
    client = redis.Redis.from_url(url)

    def read(names: Sequence[str]) -> Any:
        with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(name)
            return pipe.execute()

    return Bare(client.set, read, lambda names: client.unlink(*names))


def bare_folder(folder: Path) -> Bare:
    return Bare(
        lambda name, data: (folder / name).write_bytes(data),
        lambda names: [(folder / name).read_bytes() for name in names],
        lambda names: [(folder / name).unlink() for name in names],
    )


def bare_s3(endpoint: str, bucket: str, storage_class: str) -> Bare:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=botocore.config.Config(max_pool_connections=2 * CONCURRENCY, s3={"addressing_style": "path"}),
    )
    pool = ThreadPoolExecutor(CONCURRENCY)

    def get(name: str) -> bytes:
        return bytes(client.get_object(Bucket=bucket, Key=name)["Body"].read())

    def put(name: str, data: bytes) -> None:
        client.put_object(Bucket=bucket, Key=name, Body=data, StorageClass=storage_class)

    def delete(names: Sequence[str]) -> None:
        client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": name} for name in names]})

    return Bare(put, lambda names: list(pool.map(get, names)), delete)


def timed(act: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def against_client(store: BlockStore, bare: Bare) -> None:
    """Throughput of both, for each size of block. Each round writes blocks that were not there before."""
    for label, (size, count) in SIZES.items():
        data = os.urandom(size)
        ours_of = partial(write_all, lambda key, block: store.write(key, [block]), data)
        theirs_of = partial(write_all, bare.write, data)
        seconds: dict[tuple[str, str], list[float]] = {}
        for number in range(ROUNDS + 1):
            names = [f"bench-{number}-{block}" for block in range(count)]
            ranges = [Range(name, 0, size) for name in names]
            acts: list[tuple[str, str, Callable[[], Any]]] = [
                ("write", "store", partial(ours_of, names)),
                ("write", "client", partial(theirs_of, [f"x{name}" for name in names])),
                ("read", "store", partial(store.read, ranges)),
                ("read", "client", partial(bare.read, [f"x{n}" for n in names])),
            ]
            for direction, who, act in acts if number % 2 else (acts[1], acts[0], acts[3], acts[2]):
                took = timed(act)
                if number:  # the first round opens connections and fills caches
                    seconds.setdefault((direction, who), []).append(took)
            store.delete(names)
            bare.delete([f"x{name}" for name in names])
        for direction in ("write", "read"):
            ours, theirs = seconds[direction, "store"], seconds[direction, "client"]
            ratio = statistics.median(theirs) / statistics.median(ours)
            mine, its = (size * count / 1e6 / statistics.median(values) for values in (ours, theirs))
            print(
                f"  {count:3} blocks of {label:>7}, {direction:5}: {mine:6.0f} MB/s, client {its:6.0f} MB/s, "
                f"ratio {ratio:.2f}" + ("" if ratio >= BAR else f"  BELOW THE BAR of {BAR}")
            )


def write_all(write: Callable[[str, Any], Any], data: bytes, names: Sequence[str]) -> None:
    for name in names:
        write(name, data)


def latency(store: BlockStore, name: str) -> None:
    """A block of 1 KiB, one at a time: median and 95th percentile in milliseconds."""
    took: dict[str, list[float]] = {"write": [], "read": []}
    for number in range(200):
        key = f"latency-{number}"
        took["write"].append(timed(lambda k=key: store.write(k, [b"x" * 1024])))
        took["read"].append(timed(lambda k=key: store.read([Range(k, 0, 1024)])))
    store.delete_prefix("latency-")
    said = []
    for direction, values in took.items():
        low, high = statistics.median(values), statistics.quantiles(values, n=20)[-1]
        said.append(f"{direction} {low * 1e3:.2f} ms (95 %: {high * 1e3:.2f} ms)")
    print(f"  {name:8} {', '.join(said)}")


def worth(stores: dict[str, BlockStore], raw_mb: float = 16.0) -> None:
    """MB of rows a second on one core through what the tasks of the tiered shuffle do: encode, write, read, decode."""
    rows = sensor_rows(np.random.default_rng(1), round(raw_mb * 1e6 / ROW_BYTES))
    numbers = pa.array(np.arange(rows.num_rows) * 7919 % PARTITIONS, pa.int32())
    batch = pa.RecordBatch.from_arrays([*rows.columns, numbers], names=[*rows.schema.names, "partition"])
    found: dict[tuple[str, str], float] = {}
    for name, store in stores.items():
        seconds: dict[str, list[float]] = {compression.value: [] for compression in COMPRESSIONS}
        for number in range(ROUNDS + 1):
            for compression, turns in seconds.items():
                took = timed(partial(through, store, f"worth-{number}-{compression}", batch, compression))
                if number:
                    turns.append(took)
        for compression, turns in seconds.items():
            found[name, compression] = rows.nbytes / 1e6 / statistics.median(turns)
        store.delete_prefix("worth-")
    print(f"  {'MB/s of rows':12}" + "".join(f"{compression:>8}" for compression in COMPRESSIONS) + "   best")
    for name in stores:
        speeds = {compression: found[name, compression] for compression in COMPRESSIONS}
        best = max(speeds, key=lambda compression: speeds[compression])
        print(f"  {name:12}" + "".join(f"{speed:8.0f}" for speed in speeds.values()) + f"   {best}")
    fastest = max(found, key=lambda pair: found[pair])
    print(
        f"  the fastest is {fastest[0]} with {fastest[1]}; published was a gain of {PUBLISHED:.2f} over a fixed tier:"
    )
    for pair, speed in found.items():
        print(f"    over {pair[0]:8} {pair[1]:5} {found[fastest] / speed:6.2f}")


def through(store: BlockStore, key: str, batch: pa.RecordBatch, compression: str) -> None:
    """One block as a map task makes it, and all its segments as reduce tasks read them."""
    block = encode([batch], PARTITIONS, compression)
    store.write(key, [memoryview(block.data)])
    bounds = [block.first, *block.ends]
    segments = store.read([Range(key, start, end - start) for start, end in itertools.pairwise(bounds)])
    assert sum(rows.num_rows for rows in decode(segments, block.schema)) == batch.num_rows


def main(folder: Path) -> None:
    print(f"load {Path('/proc/loadavg').read_text().split()[0]} on {os.cpu_count()} cores")
    for name in ("redis", "s3", "warm", "bare"):
        (folder / name).mkdir()
    with redis_server(folder / "redis") as hot, s3_server(folder / "s3", volumes=200) as cold:
        url = hot.address.replace("redis://", f"redis://:{PASSWORD}@")
        endpoint, _, bucket = cold.address.rpartition("/")
        place, own = Bucket(bucket, "", endpoint), Credentials(KEY, SECRET)
        tiers: dict[str, tuple[BlockStore, Bare]] = {
            "Hot": (HotStore(url), bare_redis(url)),
            "Warm": (WarmStore(str(folder / "warm")), bare_folder(folder / "bare")),
            "Cold": (ColdStore(place, own), bare_s3(endpoint, bucket, "STANDARD")),
            "Archive": (ArchiveStore(place, own), bare_s3(endpoint, bucket, "GLACIER_IR")),
        }
        for name, (store, bare) in tiers.items():
            print(f"{name} against its bare client")
            against_client(store, bare)
        print("Latency of a block of 1 KiB")
        for name, (store, _) in tiers.items():
            latency(store, name)
        print("What tier and compression are worth, blocks of 16 MB of sensor rows, one after another")
        worth({name: store for name, (store, _) in tiers.items()})
    print(f"load {Path('/proc/loadavg').read_text().split()[0]}")


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
