"""Where files land: a folder that all pods see, or a prefix of an S3 bucket. Both list files and read lines."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Protocol
from urllib.parse import urlsplit

HIDDEN = (".", "_")
"""What begins so is nobody's data, by the habit of Spark and Hadoop: files that are being copied, and markers."""
_CONNECT_S, _READ_S, _ATTEMPTS = 5.0, 60.0, 4
_PIECE = 1 << 18


class LandingError(RuntimeError):
    """What landed cannot be listed or read. The message says what to do about it."""


class Found(NamedTuple):
    """path: below the place, ``date=YYYY-MM-DD/hour=HH/NAME``. size: bytes."""

    path: str
    size: int


class Place(Protocol):
    def files(self, since: str) -> Iterator[Found]:
        """Those in partitions from ``since`` on (``date=YYYY-MM-DD/hour=HH``, or nothing for all). Raises
        LandingError."""

    def lines(self, path: str) -> Iterator[bytes]:
        """Raises LandingError."""


class Folder:
    """A folder that does not exist has no files: the gateway makes it with its first one."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def files(self, since: str) -> Iterator[Found]:
        day = since.partition("/")[0]
        for date in self._folders(self._root, "date=", day):
            for hour in self._folders(self._root / date, "hour=", ""):
                if f"{date}/{hour}" >= since:
                    yield from self._in(f"{date}/{hour}")

    def lines(self, path: str) -> Iterator[bytes]:
        try:
            with (self._root / path).open("rb") as file:
                yield from file
        except OSError as error:
            raise LandingError(
                f"{self._root / path} cannot be read: {error.strerror}; driver and executors must see the folder at "
                "one path, and a file stay until it is read"
            ) from error

    def _folders(self, root: Path, prefix: str, since: str) -> list[str]:
        try:
            return sorted(p.name for p in root.iterdir() if p.name.startswith(prefix) and p.name >= since)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LandingError(f"{root} cannot be listed: {error.strerror}") from error

    def _in(self, partition: str) -> Iterator[Found]:
        try:
            with os.scandir(str(self._root / partition)) as found:
                for each in found:
                    # What is old may be removed meanwhile.
                    if not each.name.startswith(HIDDEN):
                        with contextlib.suppress(FileNotFoundError):
                            yield Found(f"{partition}/{each.name}", each.stat().st_size)
        except FileNotFoundError:
            return
        except OSError as error:
            raise LandingError(f"{self._root / partition} cannot be listed: {error.strerror}") from error


class Bucket:
    """url: ``s3://BUCKET[/PREFIX]``. Endpoint, region and credentials come from the environment, as boto3 takes them
    (``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, a role's web identity, …). Raises LandingError.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
            raise LandingError("the S3 URL must be s3://BUCKET or s3://BUCKET/PREFIX")
        prefix = parts.path.strip("/")
        self._bucket, self._prefix = parts.netloc, f"{prefix}/" if prefix else ""
        self._client: Any = None

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def files(self, since: str) -> Iterator[Found]:
        def pages() -> Iterator[Found]:
            pager = self._open().get_paginator("list_objects_v2")
            prefix = f"{self._prefix}date="
            after = {"StartAfter": f"{self._prefix}{since}/"} if since else {}
            for page in pager.paginate(Bucket=self._bucket, Prefix=prefix, **after):
                for each in page.get("Contents", ()):
                    path = str(each["Key"])[len(self._prefix) :]
                    if path.count("/") == 2 and not path.rpartition("/")[2].startswith(HIDDEN):
                        yield Found(path, int(each["Size"]))

        return self._said(pages(), "listed")

    def lines(self, path: str) -> Iterator[bytes]:
        def read() -> Iterator[bytes]:
            body = self._open().get_object(Bucket=self._bucket, Key=f"{self._prefix}{path}")["Body"]
            yield from body.iter_lines(chunk_size=_PIECE)

        return self._said(read(), f"read ({path})")

    def _open(self) -> Any:
        if self._client is None:
            import boto3
            from botocore.config import Config

            retries = {"total_max_attempts": _ATTEMPTS, "mode": "standard"}
            config = Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries=retries)
            self._client = boto3.client("s3", config=config)
        return self._client

    def _said(self, act: Iterator[Any], what: str) -> Iterator[Any]:
        """What ``act`` yields, its errors as LandingError."""
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ModuleNotFoundError:
            raise LandingError(
                "reading from S3 needs boto3: add `pip install boto3` to the image of driver and executors"
            ) from None
        try:
            yield from act
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise LandingError(
                f"{self} cannot be {what}: {code}; check bucket, region and rights, and that a file stays until it is "
                "read"
            ) from error
        except (BotoCoreError, OSError, ValueError) as error:  # ValueError: an endpoint that is no URL
            raise LandingError(
                f"{self} cannot be {what}: {type(error).__name__}; see that it runs and can be reached, and that the "
                "pod has region and credentials (AWS_…)"
            ) from error


def open_place(path: str) -> Place:
    """Raises LandingError."""
    scheme = urlsplit(path).scheme
    if scheme in ("s3", "s3a"):
        return Bucket(path)
    if scheme:
        raise LandingError(f"a landing place is a folder or s3://BUCKET/PREFIX, not {scheme}:")
    return Folder(path)
