"""The warm tier: blocks as files in a folder, which is fast where the folder is on a local disk.

A block is written beside its place under another name and renamed, so that a reader finds all of it or none. It is not
forced to the disk: the page cache then holds what is read again a moment later, and what a crash of the node loses, the
batch that is run again writes anew. A file that a crash cut short is told from a whole one by its length.
"""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Iterable, Iterator, Sequence

from sparkiot_tiers.errors import (
    BlockMissing,
    TierDenied,
    TierError,
    TierFull,
    TierMisconfigured,
    TierUnavailable,
)
from sparkiot_tiers.store import WARM, BlockInfo, Buffer, Buffers, Range, check_key, check_prefix, every, flat, probe

BUFFERS = 1024
"""The most that one call of writev takes on Linux."""
ATTEMPTS = 5
"""A clean-up may remove a writer's folder, as it is empty, before there is a file in it; and the file itself, where it
is of a batch that is over."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WarmStore:
    """path: the folder. It is there already: a path that does not exist is more likely a mistake than a wish."""

    tier = WARM

    def __init__(self, path: str) -> None:
        self._root = Path(path)

    def check(self) -> None:
        probe(self)

    def path(self, key: str) -> Path:
        """Where a block is, or would be."""
        return self._root / check_key(key)

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        place = self.path(key)
        with self._named(place):
            for _ in range(ATTEMPTS):
                if self._written(place, data):
                    return
            raise TierUnavailable(WARM, f"{place} is deleted as often as it is written; see who else works there")

    def read(self, requests: Sequence[Range]) -> Buffers:
        answers: Buffers = [b""] * len(requests)
        by_key: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            if request.length > 0:
                by_key.setdefault(request.key, []).append(place)
        for key, places in by_key.items():
            path = self.path(key)
            with self._named(path, key):
                file = os.open(str(path), os.O_RDONLY)
                try:
                    for place in places:
                        answers[place] = self._read_range(file, requests[place])
                finally:
                    os.close(file)
        return answers

    def delete(self, keys: Iterable[str]) -> None:
        folders = set()
        for key in keys:
            path = self.path(key)
            with self._named(path):
                try:
                    path.unlink()
                except FileNotFoundError:
                    continue
            folders.add(path.parent)
        for folder in folders:
            self._remove_empty(folder)

    def delete_prefix(self, prefix: str, which: Callable[[str], bool] = every) -> int:
        deleted = 0
        for path in self._files(check_prefix(prefix)):
            if not which(_block_name(path.relative_to(self._root).as_posix())):
                continue
            with self._named(path):
                try:
                    path.unlink()
                except FileNotFoundError:
                    continue
            deleted += not path.name.startswith(".")
            self._remove_empty(path.parent)
        return deleted

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        for path in self._files(prefix):
            if not path.name.startswith("."):
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue
                yield BlockInfo(path.relative_to(self._root).as_posix(), found.st_size, found.st_mtime)

    def close(self) -> None:
        """Nothing is held open."""

    def _written(self, place: Path, data: Sequence[Buffer]) -> bool:
        """Whether it is there now: False when the file was deleted before it was whole."""
        scratch = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        file = self._create(scratch)
        try:
            try:
                _write_all(file, data)
            finally:
                os.close(file)
            scratch.replace(place)
        except FileNotFoundError:
            if not self._root.is_dir():
                raise
            return False
        except BaseException:
            with suppress(FileNotFoundError):
                scratch.unlink()
            raise
        return True

    def _create(self, scratch: Path) -> int:
        """Open a new file for writing; its folders are made where they are missing, the tier's own folder is not."""
        for attempt in range(ATTEMPTS):
            try:
                return os.open(str(scratch), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileNotFoundError:
                if attempt == ATTEMPTS - 1 or not self._root.is_dir():
                    raise
            folder = self._root
            for name in scratch.parent.relative_to(self._root).parts:
                folder /= name
                try:
                    folder.mkdir(0o700, exist_ok=True)
                except FileNotFoundError:
                    break  # another's clean-up took the folder above; the next attempt makes it again
        raise AssertionError("the last attempt returns or raises")

    def _read_range(self, file: int, request: Range) -> Buffer:
        data = os.pread(file, request.length, request.offset)
        if len(data) == request.length:
            return data
        parts, got = [data], len(data)
        while data and got < request.length:  # one call reads at most 2 GiB
            data = os.pread(file, request.length - got, request.offset + got)
            parts.append(data)
            got += len(data)
        if got < request.length:
            raise BlockMissing(
                WARM,
                request.key,
                f"{self.path(request.key)} has fewer than the {request.offset + request.length} bytes asked for; the "
                "node may have stopped before the block was on its disk",
            )
        return b"".join(parts)

    def _files(self, prefix: str) -> Iterator[Path]:
        """Files whose path in the folder begins so, those that are being written included."""
        *folders, name = prefix.split("/")
        if any(part in ("", ".", "..") for part in folders):
            raise ValueError(f"{prefix[:80]!r} does not begin any block's key")
        top = self._root.joinpath(*folders)
        with self._named(self._root):
            self._root.stat()
        for folder, _, files in os.walk(str(top), onerror=self._unreadable):
            for file in files:
                path = Path(folder) / file
                if _block_name(path.relative_to(top).as_posix()).startswith(name):
                    yield path

    def _unreadable(self, error: OSError) -> None:
        """A folder that has gone meanwhile holds nothing; one that may not be read is an error."""
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise self._translated(error, Path(error.filename))

    def _remove_empty(self, folder: Path) -> None:
        """The folder and those above it, as far as they are empty."""
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    @contextmanager
    def _named(self, path: Path, key: str | None = None) -> Iterator[None]:
        """Translate errors. key: the block's, where it must be there."""
        try:
            yield
        except FileNotFoundError as error:
            if key is not None and self._root.is_dir():
                raise BlockMissing(
                    WARM, key, f"{path} is not there; it was deleted, or was written on another node's disk"
                ) from error
            raise TierMisconfigured(
                WARM, f"{self._root} does not exist; make the folder on every node, or correct the tier's path"
            ) from error
        except OSError as error:
            raise self._translated(error, path) from error

    def _translated(self, error: OSError, path: Path) -> TierError:
        said = error.strerror or str(error)
        if error.errno in FULL:
            return TierFull(WARM, f"{path}: {said}; make room on the disk, or lower what the tier is asked to hold")
        if error.errno in (errno.EACCES, errno.EPERM):
            return TierDenied(WARM, f"{path}: {said}; the folder must be writable for the user that Spark runs as")
        if error.errno in (errno.EROFS, errno.ENOTDIR):
            return TierMisconfigured(WARM, f"{path}: {said}; the tier needs a folder that can be written to")
        return TierUnavailable(WARM, f"{path}: {said}; see to the disk")


def _write_all(file: int, data: Sequence[Buffer]) -> None:
    """Write all buffers; one call may write less than it was given."""
    rest = [memoryview(flat(buffer)) for buffer in data if len(flat(buffer))]
    while rest:
        written = os.writev(file, rest[:BUFFERS])
        done = 0
        while done < len(rest) and written >= len(rest[done]):
            written -= len(rest[done])
            done += 1
        rest = rest[done:]
        if written:
            rest[0] = rest[0][written:]


def _block_name(path: str) -> str:
    """The path of the block that a file is, or is about to become (``folder/.name.random``)."""
    folder, slash, name = path.rpartition("/")
    if not name.startswith("."):
        return path
    return folder + slash + name[1:].rpartition(".")[0]
