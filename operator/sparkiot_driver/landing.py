"""Rows that wait in a file source's folder: what lies there and is in no completed batch.

Local paths only: a listing of an object store each second would cost more than it tells.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Iterator
from urllib.parse import unquote, urlparse

from sparkiot_driver.progress import Source

MAX_FILES = 100_000
"""A folder with more files is not counted: the listing would hold up the observation."""
RECENT_BATCHES = 20


class UnreadableLogError(Exception):
    """A file of a source's log does not hold what Spark writes there."""


class Landing:
    """Counts what waits for one file source of one query; keeps only names of files that still lie in the folder."""

    def __init__(self, folder: str, log: str) -> None:
        """folder, log: as URLs or paths; ``log`` is the source's log, ``<checkpoint>/sources/<number>``."""
        self._folder = local_path(folder)
        self._log = local_path(log)
        self._read_until = -1
        self._entries: dict[str, int] = {}
        self._recent: list[tuple[int, int]] = []  # rows, bytes

    def completed(self, source: Source) -> None:
        """Take in a completed batch: how many rows its files held. Nothing is learned from files that are gone."""
        try:
            self._read_log()
        except UnreadableLogError:
            return
        files = [path for path, entry in self._entries.items() if source.first_log < entry <= source.last_log]
        try:
            size = sum(Path(path).stat().st_size for path in files)
        except OSError:
            return
        if size and source.rows:
            self._recent = [*self._recent, (source.rows, size)][-RECENT_BATCHES:]

    def backlog(self, completed_log: int) -> float | None:
        """Rows in files after the log's entry ``completed_log``, by their size; None when it cannot be told."""
        if self._folder is None or self._log is None:
            return None
        try:
            present = _listing(self._folder)
            self._read_log()
        except (OSError, UnreadableLogError):
            return None
        if present is None:
            return None
        self._entries = {p: e for p, e in self._entries.items() if p in present or e > completed_log}
        waiting = [size for path, size in present.items() if self._entries.get(path, completed_log + 1) > completed_log]
        if not waiting:
            return 0.0
        rows, seen = sum(r for r, _ in self._recent), sum(s for _, s in self._recent)
        return sum(waiting) * rows / seen if seen else None

    def _read_log(self) -> None:
        if self._log is None or not self._log.is_dir():
            return
        numbers = {int(p.name.split(".")[0]): p for p in self._log.iterdir() if p.name.split(".")[0].isdigit()}
        for number in sorted(n for n in numbers if n > self._read_until):
            for path, entry in _log_entries(numbers[number]):
                self._entries[path] = entry
            self._read_until = number


def local_path(url: str) -> Path | None:
    """The local path of a ``file:`` URL or a plain path; None for any other file system."""
    parts = urlparse(url)
    if parts.scheme not in ("", "file"):
        return None
    return Path(unquote(parts.path))


def _listing(folder: Path) -> dict[str, int] | None:
    """Size of every file under a folder that Spark would read; None when they are too many or it is a pattern."""
    if any(char in str(folder) for char in "*?[{"):
        return None
    found: dict[str, int] = {}
    for root, folders, files in os.walk(str(folder)):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in files:
            if not name.startswith((".", "_")):
                found[f"{root}/{name}"] = Path(root, name).stat().st_size
        if len(found) > MAX_FILES:
            return None
    return found


def _log_entries(file: Path) -> Iterator[tuple[str, int]]:
    """``(path, batch of the log)`` of a log file: a version line, then one JSON object a line.

    Raises UnreadableLogError.
    """
    try:
        for line in file.read_text(encoding="utf-8").splitlines()[1:]:
            entry = json.loads(line)
            path = local_path(entry["path"])
            if path is not None:
                yield str(path), int(entry["batchId"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableLogError(f"{file}: {error!r}") from error
