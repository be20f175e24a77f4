"""A landing folder: files that appear whole, in folders by time, for Spark's file source to read as a stream."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

from sparkiot_edge.forwarding.segment import Segment

from .base import SinkError


class LandingFolder:
    """``ROOT/date=YYYY-MM-DD/hour=HH/NAME.jsonl``. A segment on the same file system is moved there and written once;
    from another one it is copied to a hidden name, which Spark passes over, and renamed.
    """

    ROLL_S = 1.0

    def __init__(self, root: Path) -> None:
        self._root = root

    def deliver(self, segment: Segment) -> None:
        folder = self._root / segment.partition
        target = folder / segment.path.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _move(segment.path, target)
            sync_folder(folder)
        except OSError as error:
            raise SinkError(f"{folder} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is held open."""


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except FileNotFoundError:
        if not target.exists():  # it was moved, and what came after failed
            raise
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    hidden = target.with_name(f".{target.name}")
    try:
        with source.open("rb") as read, hidden.open("wb") as write:
            shutil.copyfileobj(read, write, 1 << 20)
            write.flush()
            os.fsync(write.fileno())
        hidden.rename(target)
    except OSError:
        with contextlib.suppress(OSError):
            hidden.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Make names in a folder outlive a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
