"""Latency and bandwidth of the shuffle tiers, measured with the clients that would use them: one file holds all three.

Blocks are written, read and deleted again, one at a time. Credentials come from the environment alone: REDIS_USERNAME
and REDIS_PASSWORD, and what boto3 reads (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, its files).
"""

import contextlib
import importlib.util
import ipaddress
import os
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import numpy as np

from sparkiot_operator.errors import CalibrateError
from sparkiot_policies.allocation import Tier
from sparkiot_sim.calibrate.records import BlockRecord, TierRecord

Result = TypeVar("Result")

NEEDED = ("pyarrow", "redis", "boto3")
PREFIX = "sparkiot-calibrate"
TIMEOUT_S = 10.0
REPEATS = 5
SEED = 1


class Store(Protocol):
    """A tier's server. Every call raises CalibrateError when the server does not do it."""

    tier: Tier

    def describe(self) -> str:
        """What it is, for the source of its constants; connects, so that a wrong address is found first."""

    def put(self, key: str, data: bytes) -> None: ...

    def get(self, key: str) -> bytes: ...

    def delete(self, key: str) -> None: ...


def require_clients() -> None:
    """Raises CalibrateError when a client is not installed, with the command that installs it."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise CalibrateError(
            f"not installed: {', '.join(missing)}; pip install 'sparkiot[tiers]' brings what measures the shuffle tiers"
        )


class RedisStore:
    """The hot tier. url: ``redis://HOST:PORT/DB``, without credentials."""

    tier = Tier.HOT

    def __init__(self, url: str) -> None:
        import redis

        parts = urlsplit(url)
        if parts.password or parts.username:
            raise CalibrateError("--redis holds credentials; put them into REDIS_USERNAME and REDIS_PASSWORD instead")
        self._host = parts.hostname
        self._where = f"{parts.scheme}://{parts.netloc}"
        try:
            self._client = redis.Redis.from_url(
                url,
                username=os.environ.get("REDIS_USERNAME"),
                password=os.environ.get("REDIS_PASSWORD"),
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
            )
        except ValueError as error:
            raise CalibrateError(f"--redis {self._where}: {error}") from error

    def describe(self) -> str:
        found: Any = self._do(lambda: self._client.info("server"))
        return f"Redis {found.get('redis_version', '')} {_distance(self._host)}"

    def put(self, key: str, data: bytes) -> None:
        self._do(lambda: self._client.set(key, data))

    def get(self, key: str) -> bytes:
        return bytes(self._do(lambda: self._client.get(key)))

    def delete(self, key: str) -> None:
        self._do(lambda: self._client.delete(key))

    def _do(self, call: Callable[[], Any]) -> Any:
        import redis

        try:
            return call()
        except redis.RedisError as error:
            raise CalibrateError(f"Redis at {self._where}: {error}") from error


class FolderStore:
    """The warm tier: a folder on a local disk. Blocks are forced to the disk, and read from there, not from memory."""

    tier = Tier.WARM

    def __init__(self, path: Path) -> None:
        self._path = path

    def describe(self) -> str:
        if not self._path.is_dir():
            raise CalibrateError(f"--nvme {self._path}: not a folder")
        return "a local disk, each block forced to it and read back past the page cache"

    def put(self, key: str, data: bytes) -> None:
        with self._named(key), (self._path / key).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def get(self, key: str) -> bytes:
        with self._named(key):
            return (self._path / key).read_bytes()

    def delete(self, key: str) -> None:
        with self._named(key):
            (self._path / key).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _named(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CalibrateError(f"--nvme {self._path / key}: {error.strerror}") from error


class S3Store:
    """The cold tier. address: ``ENDPOINT/BUCKET``, such as ``http://127.0.0.1:8333/shuffle``."""

    tier = Tier.COLD

    def __init__(self, address: str) -> None:
        import boto3
        import botocore.config

        endpoint, _, self._bucket = address.rpartition("/")
        parts = urlsplit(endpoint)
        if not (parts.hostname and self._bucket):
            raise CalibrateError(f"--s3 {address}: must be ENDPOINT/BUCKET, such as http://127.0.0.1:8333/shuffle")
        if parts.password or parts.username:
            raise CalibrateError("--s3 holds credentials; put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        self._host, self._address = parts.hostname, address
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=os.environ.get("AWS_REGION", "us-east-1"),
            config=botocore.config.Config(
                connect_timeout=TIMEOUT_S,
                read_timeout=TIMEOUT_S,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def describe(self) -> str:
        found = self._do(lambda: self._client.head_bucket(Bucket=self._bucket))
        server = found["ResponseMetadata"]["HTTPHeaders"].get("server", "an S3 server")
        return f"{server} {_distance(self._host)}"

    def put(self, key: str, data: bytes) -> None:
        self._do(lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=data))

    def get(self, key: str) -> bytes:
        def read() -> bytes:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

        return bytes(self._do(read))

    def delete(self, key: str) -> None:
        self._do(lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def _do(self, call: Callable[[], Any]) -> Any:
        import botocore.exceptions

        try:
            return call()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            raise CalibrateError(f"S3 at {self._address}: {error}") from error


def measure(store: Store, *, step: Callable[[str], None], repeats: int = REPEATS) -> TierRecord:
    """Write, read and delete each block some times over. step: called after each block with what was done.

    Raises CalibrateError when the tier fails, or gives back something else than was written.
    """
    from .blocks import blocks, decompress

    server = store.describe()
    run, records = uuid.uuid4().hex, []
    for repeat in range(repeats + 1):
        for number, block in enumerate(blocks(np.random.default_rng(SEED))):
            key = f"{PREFIX}-{run}-{number}"
            try:
                write_s, _ = _timed(partial(store.put, key, block.data))
                read_s, data = _timed(partial(store.get, key))
            finally:
                store.delete(key)
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
                        decompress_s=decompress(data),
                    )
                )
        step(f"tier {store.tier}")
    return TierRecord(tier=store.tier, server=server, blocks=tuple(records))


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
