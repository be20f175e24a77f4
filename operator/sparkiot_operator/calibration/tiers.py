"""Latency and bandwidth of the shuffle tiers, measured through the stores that jobs use.

Blocks are written, read and deleted again, one at a time. Credentials come from the environment alone: REDIS_USERNAME
and REDIS_PASSWORD, and what boto3 reads (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, its files).
"""

import importlib.util
import ipaddress
import os
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import numpy as np

from sparkiot_operator.errors import CalibrateError
from sparkiot_policies.allocation import Tier
from sparkiot_sim.calibrate.records import BlockRecord, TierRecord
from sparkiot_tiers.cold import Bucket, ColdStore
from sparkiot_tiers.errors import TierError
from sparkiot_tiers.hot import HotStore
from sparkiot_tiers.store import BlockStore, Buffer, Range
from sparkiot_tiers.warm import WarmStore

Result = TypeVar("Result")

NEEDED = ("pyarrow",)
PREFIX = "sparkiot-calibrate"
REPEATS = 5
SEED = 1


class Measured(NamedTuple):
    """A store to measure. describe: what it is, for the source of its constants; asks the server."""

    store: BlockStore
    describe: Callable[[], str]


class UncachedStore(WarmStore):
    """A folder whose blocks are forced to the disk and read from there, so that the disk is measured and not memory."""

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        super().write(key, data)
        with self.path(key).open("rb") as file:
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def require_clients() -> None:
    """Raises CalibrateError when a client is not installed, with the command that installs it."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise CalibrateError(
            f"not installed: {', '.join(missing)}; pip install 'sparkiot[tiers]' brings what measures the shuffle tiers"
        )


def redis_tier(url: str) -> Measured:
    """The hot tier. url: ``redis://HOST:PORT/DB``, without credentials. Raises CalibrateError for another one."""
    parts = urlsplit(url)
    if parts.password or parts.username:
        raise CalibrateError("--redis holds credentials; put them into REDIS_USERNAME and REDIS_PASSWORD instead")
    user, password = (quote(os.environ.get(f"REDIS_{name}", ""), safe="") for name in ("USERNAME", "PASSWORD"))
    own = f"{user}:{password}@" if user or password else ""
    store = HotStore(parts._replace(netloc=own + parts.netloc).geturl())
    return Measured(store, lambda: f"{store.describe()} {_distance(parts.hostname)}")


def folder_tier(path: Path) -> Measured:
    """The warm tier: a folder on a local disk."""
    said = "a local disk, each block forced to it and read back past the page cache"
    return Measured(UncachedStore(str(path)), lambda: said)


def s3_tier(address: str) -> Measured:
    """The cold tier. address: ``ENDPOINT/BUCKET``, such as ``http://127.0.0.1:8333/shuffle``.

    Raises CalibrateError for another one.
    """
    endpoint, _, bucket = address.rpartition("/")
    parts = urlsplit(endpoint)
    if not (parts.hostname and bucket):
        raise CalibrateError(f"--s3 {address}: must be ENDPOINT/BUCKET, such as http://127.0.0.1:8333/shuffle")
    if parts.password or parts.username:
        raise CalibrateError("--s3 holds credentials; put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    store = ColdStore(Bucket(bucket, endpoint=endpoint, region=os.environ.get("AWS_REGION")))
    return Measured(store, lambda: f"{store.describe()} {_distance(parts.hostname)}")


def measure(measured: Measured, *, step: Callable[[str], None], repeats: int = REPEATS) -> TierRecord:
    """Write, read and delete each block some times over. step: called after each round with what was done.

    Raises CalibrateError when the tier fails, or gives back something else than was written.
    """
    try:
        measured.store.check()
        return _measure(measured, step, repeats)
    except TierError as error:
        raise CalibrateError(str(error)) from error
    finally:
        measured.store.close()


def _measure(measured: Measured, step: Callable[[str], None], repeats: int) -> TierRecord:
    from .blocks import blocks, decompress

    store, server = measured.store, measured.describe()
    run, records = uuid.uuid4().hex, []
    for repeat in range(repeats + 1):
        for number, block in enumerate(blocks(np.random.default_rng(SEED))):
            key = f"{PREFIX}/{run}/{number}"
            try:
                write_s, _ = _timed(partial(store.write, key, [block.data]))
                read_s, (data,) = _timed(partial(store.read, [Range(key, 0, len(block.data))]))
            finally:
                store.delete([key])
            if data != block.data:
                raise CalibrateError(f"{server}: a block came back with other content than was written")
            if repeat > 0:  # the first round opens connections and fills caches
                records.append(
                    BlockRecord(
                        compression=block.compression,
                        raw_mb=block.raw_mb,
                        stored_mb=block.stored_mb,
                        compress_s=block.compress_s,
                        write_s=write_s,
                        read_s=read_s,
                        decompress_s=decompress(bytes(data)),
                    )
                )
        step(f"tier {store.tier}")
    return TierRecord(tier=Tier(store.tier), server=server, blocks=tuple(records))


def _timed(call: Callable[[], Result]) -> tuple[float, Result]:
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def _distance(host: str | None) -> str:
    try:
        near = host is None or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    return "on the same machine" if near else "over the network"
