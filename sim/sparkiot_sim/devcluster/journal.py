"""Objects on disk: one append-only file of JSON lines, rewritten as a snapshot when it is mostly history.

An append is one `write` to the kernel, so it survives `kill -9`; it is not synced, so the last lines may be lost with
the machine's power. A rewrite goes to a second file, is synced, then renamed over the first. A last line without an
end is what a kill in mid-write leaves: it is cut off and reported. Damage anywhere else stops the start.
"""

import fcntl
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from sparkiot_sim.devcluster.errors import ClusterDataError, Obj

log = logging.getLogger(__name__)

FORMAT = "sparkiot-devcluster/1"
SPARE_LINES = 5_000  # history that may pile up beyond four lines an object before a rewrite


class Journal:
    """The file `objects.jsonl` in `folder`, locked while open.

    Raises ClusterDataError when another process has it open, or when it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path = folder / "objects.jsonl"
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ClusterDataError(f"cannot use the data folder {folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ClusterDataError(
                f"the data folder {folder} is in use by another embedded cluster: stop that one or take another folder"
            ) from error
        self._file = -1
        self._lines = 0

    def replay(self, first_revision: int) -> tuple[int, list[tuple[str, Obj]]]:
        """Reads what is there: the last revision and each living object with its storage; then opens for appending."""
        try:
            lines = self._read_lines()
            state = _Replay(first_revision)
            for number, line in enumerate(lines, start=1):
                try:
                    state.take(orjson.loads(line), first=number == 1)
                except (ValueError, KeyError, TypeError) as error:
                    self.close()
                    raise ClusterDataError(
                        f"{self.path}, line {number}: not a record of {FORMAT} ({error}); repair or remove that line, "
                        "or move the file away to start empty"
                    ) from error
            self._lines = len(lines)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise ClusterDataError(f"cannot use {self.path}: {error.strerror}") from error
        if not lines:
            self._append(orjson.dumps({"format": FORMAT, "revision": first_revision}))
        return state.revision, [(storage, obj) for (storage, _), obj in state.objects.items()]

    def put(self, revision: int, storage: str, raw: bytes) -> None:
        self._append(_line(revision, storage, raw))

    def delete(self, revision: int, storage: str, key: tuple[str, str]) -> None:
        self._append(orjson.dumps({"revision": revision, "storage": storage, "deleted": list(key)}))

    def worth_compacting(self, living: int) -> bool:
        return self._lines > 4 * living + SPARE_LINES

    def compact(self, revision: int, living: Iterable[tuple[str, bytes]]) -> None:
        """Replaces the file by a header and one line an object."""
        fresh = self.path.with_suffix(".new")
        rows = [orjson.dumps({"format": FORMAT, "revision": revision})]
        rows.extend(_line(revision, storage, raw) for storage, raw in living)
        with fresh.open("wb") as out:
            out.write(b"\n".join(rows) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(self.path)
        os.close(self._file)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._lines = len(rows)

    def close(self) -> None:
        if self._file >= 0:
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _append(self, line: bytes) -> None:
        os.write(self._file, line + b"\n")
        self._lines += 1

    def _read_lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        complete, _, rest = content.rpartition(b"\n")
        if rest:
            kept = len(content) - len(rest)
            log.warning("%s: the last line was cut off (%d bytes), dropped it", self.path, len(rest))
            os.truncate(self.path, kept)
        return complete.split(b"\n") if complete else []


class _Replay:
    """State of reading a journal."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.objects: dict[tuple[str, tuple[str, str]], Obj] = {}

    def take(self, record: Any, *, first: bool) -> None:
        """Raises KeyError, TypeError or ValueError when `record` is not of this format."""
        if first:
            if record["format"] != FORMAT:
                raise ValueError(f"format {record['format']!r}")
            self.revision = int(record["revision"])
            return
        storage, revision = str(record["storage"]), int(record["revision"])
        if "deleted" in record:
            namespace, name = record["deleted"]
            del self.objects[storage, (namespace, name)]
        else:
            obj = record["object"]
            meta = obj["metadata"]
            self.objects[storage, (meta.get("namespace") or "", meta["name"])] = obj
        self.revision = revision


def _line(revision: int, storage: str, raw: bytes) -> bytes:
    return b'{"revision":%d,"storage":%s,"object":%s}' % (revision, orjson.dumps(storage), raw)
