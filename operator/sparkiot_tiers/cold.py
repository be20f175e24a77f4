"""The cold tier: blocks as objects in a bucket of S3, or of a store that speaks its protocol.

A large block goes up in several parts at once; S3 shows it when all are there, and none of it before. Ranges are read
at once over kept connections, a long one in several pieces.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Sequence, TypeVar

from sparkiot_tiers import s3_errors
from sparkiot_tiers.errors import BlockMissing, TierDenied, TierMisconfigured
from sparkiot_tiers.store import COLD, BlockInfo, Buffer, Buffers, Range, check_key, check_prefix, every, joined, probe

Result = TypeVar("Result")

CONCURRENCY = 8
"""Requests at once, and connections that are kept."""
MULTIPART_BYTES = 32 << 20
"""Blocks from this size on go up in parts."""
PART_BYTES = 16 << 20
"""Of what goes up, and of a long range that is read. S3 takes no parts below 5 MiB."""
ATTEMPTS = 3
DELETED_AT_ONCE = 1000
"""The most keys that S3 deletes with one request."""


class Credentials(NamedTuple):
    """None: those that boto3 finds by itself, such as the role of the pod's service account."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


class Bucket(NamedTuple):
    """Where blocks go. prefix: before every key, such as ``jobs/``. endpoint: None for AWS."""

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}" + (f" at {self.endpoint}" if self.endpoint else "")


class ColdStore:
    """timeout_seconds: for a connection, and for a pause in an answer; a request is tried ATTEMPTS times at most."""

    tier = COLD

    def __init__(
        self, bucket: Bucket, credentials: Credentials | None = None, *, timeout_seconds: float = 10.0
    ) -> None:
        self._bucket = bucket
        self._credentials = credentials
        self._timeout = timeout_seconds
        self._extra: dict[str, str] = {}
        self._lock = Lock()
        self._opened: _Opened | None = None

    def check(self) -> None:
        self._must_exist()
        probe(self)

    def describe(self) -> str:
        """What serves, as it calls itself."""
        page = next(self._pages("list_objects_v2", "sparkiot-check/"))
        return str(page["ResponseMetadata"]["HTTPHeaders"].get("server", "an S3 server"))

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        name, block = self._name(key), joined(data)

        def act(opened: _Opened) -> None:
            if len(block) < MULTIPART_BYTES:
                opened.client.put_object(Bucket=self._bucket.name, Key=name, Body=_body(block), **self._extra)
                return
            transfer = opened.transfers.upload(io.BytesIO(block), self._bucket.name, name, extra_args=dict(self._extra))
            transfer.result()

        self._do(act)

    def read(self, requests: Sequence[Range]) -> Buffers:
        pieces = [piece for request in requests for piece in _pieces(request)]
        if len(pieces) == 1:
            found = [self._read_piece(pieces[0])]
        else:
            opened = self._do(lambda opened: opened)
            futures = [opened.pool.submit(self._read_piece, piece) for piece in pieces]
            try:
                found = [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()
        answers: Buffers = []
        rest = iter(found)
        for request in requests:
            answers.append(joined([next(rest) for _ in _pieces(request)] or [b""]))
        return answers

    def delete(self, keys: Iterable[str]) -> None:
        self._delete_names([self._name(key) for key in keys])

    def delete_prefix(self, prefix: str, which: Callable[[str], bool] = every) -> int:
        keys = [info.key for info in self.list(check_prefix(prefix)) if which(info.key)]
        self.delete(keys)
        with suppress(TierDenied):  # a right of its own, which blocks do not need; a bucket's lifecycle rule can do it
            self._abort_uploads(prefix, which)
        return len(keys)

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        start = len(self._bucket.prefix)
        for page in self._pages("list_objects_v2", prefix):
            for item in page.get("Contents", ()):
                yield BlockInfo(item["Key"][start:], item["Size"], item["LastModified"].timestamp())

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.pool.shutdown()
            opened.transfers.shutdown()
            opened.client.close()

    def _must_exist(self) -> None:
        """Some stores make a bucket of any name when an object is written to it."""
        next(self._pages("list_objects_v2", "sparkiot-check/"))

    def _read_piece(self, piece: Range) -> Buffer:
        name = self._name(piece.key)
        wanted = f"bytes={piece.offset}-{piece.offset + piece.length - 1}"

        def act(opened: _Opened) -> bytes:
            answer = opened.client.get_object(Bucket=self._bucket.name, Key=name, Range=wanted)
            self._readable(piece.key, answer)
            with answer["Body"] as body:
                data: bytes = body.read()
                return data

        data = self._do(act, piece.key)
        if len(data) != piece.length:
            raise BlockMissing(
                self.tier,
                piece.key,
                f"{name} in {self._bucket} has fewer than the {piece.offset + piece.length} bytes asked for; it is "
                "another block than the one that was written",
            )
        return data

    def _readable(self, key: str, answer: dict[str, Any]) -> None:
        """Raises BlockArchived when the answer says that it is not the block."""

    def _delete_names(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), DELETED_AT_ONCE):
            batch = [{"Key": name} for name in names[start : start + DELETED_AT_ONCE]]

            def act(opened: _Opened, batch: list[dict[str, str]] = batch) -> Any:
                return opened.client.delete_objects(
                    Bucket=self._bucket.name, Delete={"Objects": batch, "Quiet": True}
                ).get("Errors", ())

            for problem in self._do(act):
                raise s3_errors.of_code(problem.get("Code", ""), problem.get("Message", ""), self._told())

    def _abort_uploads(self, prefix: str, which: Callable[[str], bool]) -> None:
        """What a writer that was killed left half-way: no listing shows it, and it costs money."""
        start = len(self._bucket.prefix)
        for page in self._pages("list_multipart_uploads", prefix):
            for upload in page.get("Uploads", ()):
                if not which(upload["Key"][start:]):
                    continue
                wanted = {"Bucket": self._bucket.name, "Key": upload["Key"], "UploadId": upload["UploadId"]}

                def act(opened: _Opened, wanted: dict[str, str] = wanted) -> None:
                    with suppress(opened.client.exceptions.NoSuchUpload):  # it was completed or aborted since
                        opened.client.abort_multipart_upload(**wanted)

                self._do(act)

    def _pages(self, operation: str, prefix: str) -> Iterator[dict[str, Any]]:
        def begin(opened: _Opened) -> Iterator[dict[str, Any]]:
            paginator = opened.client.get_paginator(operation)
            return iter(paginator.paginate(Bucket=self._bucket.name, Prefix=self._bucket.prefix + prefix))

        pages = self._do(begin)
        while True:
            page = self._do(lambda _: next(pages, None))
            if page is None:
                return
            yield page

    def _name(self, key: str) -> str:
        return self._bucket.prefix + check_key(key)

    def _told(self, key: str | None = None) -> s3_errors.Told:
        return s3_errors.Told(self.tier, str(self._bucket), self._timeout, key)

    def _do(self, act: Callable[[_Opened], Result], key: str | None = None) -> Result:
        """Translate errors. key: the block's, where it must be there."""
        import boto3.exceptions
        import botocore.exceptions

        failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, boto3.exceptions.Boto3Error)
        try:
            return act(self._open())
        except (*failures, OSError) as error:
            raise s3_errors.translated(error, self._told(key)) from error

    def _client(self, session: Any, **options: Any) -> Any:
        try:
            return session.client("s3", **options)
        except ValueError as error:  # what boto3 says of an endpoint that is no URL
            raise TierMisconfigured(
                self.tier, f"{self._bucket}: {error}; give the endpoint as https://HOST:PORT"
            ) from error

    def _open(self) -> _Opened:
        import boto3
        import botocore.config
        import s3transfer.manager

        with self._lock:
            if self._opened is None:
                own = self._credentials
                secrets = own._asdict() if own else {}
                client = self._client(
                    boto3.session.Session(),
                    endpoint_url=self._bucket.endpoint,
                    region_name=self._bucket.region or ("us-east-1" if self._bucket.endpoint else None),
                    config=botocore.config.Config(
                        connect_timeout=self._timeout,
                        read_timeout=self._timeout,
                        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                        max_pool_connections=2 * CONCURRENCY,
                        tcp_keepalive=True,
                        # Other stores' names for buckets are seldom host names.
                        s3={"addressing_style": "path" if self._bucket.endpoint else "auto"},
                    ),
                    **{f"aws_{name}": value for name, value in secrets.items()},
                )
                transfers = s3transfer.manager.TransferManager(
                    client,
                    s3transfer.manager.TransferConfig(
                        multipart_threshold=MULTIPART_BYTES,
                        multipart_chunksize=PART_BYTES,
                        max_request_concurrency=CONCURRENCY,
                        max_submission_concurrency=1,
                    ),
                )
                self._opened = _Opened(client, transfers, ThreadPoolExecutor(CONCURRENCY, "sparkiot-s3"))
            return self._opened


class _Opened(NamedTuple):
    """A client and what goes with it."""

    client: Any
    transfers: Any
    pool: ThreadPoolExecutor


def _body(block: Buffer) -> Buffer:
    """What boto3 takes: it knows bytes and bytearrays, and no views."""
    return block if isinstance(block, (bytes, bytearray)) else bytes(block)


def _pieces(request: Range) -> list[Range]:
    """A long range as several that are read at once."""
    end = request.offset + request.length
    return [Range(request.key, start, min(PART_BYTES, end - start)) for start in range(request.offset, end, PART_BYTES)]
