"""The audit log: one JSON line for each decision, with all that is needed to explain it or to decide it again.

Files are append-only and rotated by size; ``sparkiot_policies.decision_log`` reads them. A crash can only
cut the end, and a disk that is full cuts nothing.
"""

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

from sparkiot_policies.codec import encode_decision, encode_evaluation, encode_job
from sparkiot_policies.decision import Decision
from sparkiot_policies.decision_log import FILE_NAME, SCHEMA, Logged, decode, read_log
from sparkiot_policies.decision_log import LogError as AuditError
from sparkiot_policies.decision_log import log_files as audit_files
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .events import JobRef

LOGGER = logging.getLogger(__name__)
TAIL_BYTES = 65536
__all__ = [
    "FILE_NAME",
    "AuditError",
    "AuditLog",
    "AuditRecord",
    "audit_files",
    "count_lines",
    "decode_line",
    "read_audit",
]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One decision and its surroundings. generation: of the spec that it rests on. why: what people are told of it;
    empty where it changed nothing. shadow: what a policy on trial decided beside it, for itself alone; None where there
    was none."""

    ref: JobRef
    generation: int
    job: Job
    evaluation: Evaluation
    decision: Decision
    why: str = ""
    shadow: Decision | None = None


class AuditLog:
    """Appends records below a folder. Not for several processes at once: each operator has its own folder.

    max_bytes: size at which a file is rotated. files: rotated files that are kept. failing: whether the last decision
    could not be kept, as whoever writes has noted.
    """

    failing = False

    def __init__(self, folder: Path, *, max_bytes: int, files: int) -> None:
        self._path = folder / FILE_NAME
        self._max_bytes = max_bytes
        self._files = files
        folder.mkdir(parents=True, exist_ok=True)
        self._file: FileIO = self._open()

    def write(self, record: AuditRecord) -> None:
        """Append one line and hand it to the operating system. Raises OSError when that fails (disk full): then nothing
        of the line is there, and the next one is tried anew."""
        line = orjson.dumps(encode_record(record), option=orjson.OPT_APPEND_NEWLINE)
        if self._file.closed:  # the last rotation failed half-way
            self._file = self._open()
        end = self._file.seek(0, os.SEEK_END)
        if end + len(line) > self._max_bytes and end > 0:
            self._rotate()
            end = 0
        taken = self._file.write(line)
        if taken != len(line):
            # A disk that is nearly full takes what it can. Left there, it would spoil the line that follows.
            self._file.truncate(end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def close(self) -> None:
        self._file.close()

    def _open(self) -> FileIO:
        """Unbuffered, so that a line is one write."""
        _drop_torn_line(self._path)
        return self._path.open("ab", buffering=0)

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._files, 0, -1):
            source = self._rotated(number)
            if not source.exists():
                continue
            if number == self._files:
                source.unlink()
            else:
                source.rename(self._rotated(number + 1))
        self._path.rename(self._rotated(1))
        self._file = self._open()

    def _rotated(self, number: int) -> Path:
        return self._path.with_name(f"{FILE_NAME}.{number}")


def encode_record(record: AuditRecord) -> dict[str, Any]:
    ref = record.ref
    return {
        "schema": SCHEMA,
        "namespace": ref.namespace,
        "name": ref.name,
        "uid": ref.uid,
        "generation": record.generation,
        "job": encode_job(record.job),
        "evaluation": encode_evaluation(record.evaluation),
        "decision": encode_decision(record.decision),
        **({"why": record.why} if record.why else {}),
        "shadow": encode_decision(record.shadow) if record.shadow else None,
    }


def read_audit(paths: Sequence[Path], *, job: str | None = None) -> Iterator[AuditRecord]:
    """The records of audit files, or of folders of them, oldest first: see ``read_log``. Raises AuditError, and
    FileNotFoundError for an absent path."""
    yield from map(_record, read_log(paths, job=job))


def count_lines(paths: Sequence[Path]) -> int:
    """How many lines ``read_audit`` will look at; some hundred MB a second. Raises FileNotFoundError."""
    total = 0
    for path in paths:
        for file in audit_files(path) if path.is_dir() else [path]:
            with file.open("rb") as opened:
                while chunk := opened.read(1 << 20):
                    total += chunk.count(b"\n")
    return total


def _drop_torn_line(path: Path) -> None:
    """Remove what a crash left of its last line, so that the next one does not continue it."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        content_end = file.seek(0, os.SEEK_END)
        keep = content_end
        while keep > 0:
            start = max(keep - TAIL_BYTES, 0)
            file.seek(start)
            newline = file.read(keep - start).rfind(b"\n")
            keep = start + newline + 1 if newline >= 0 else start
            if newline >= 0:
                break
        if keep < content_end:
            LOGGER.warning("%s: %d bytes of a line that was cut off are removed", path, content_end - keep)
            file.truncate(keep)


def decode_line(line: bytes) -> AuditRecord:
    """The inverse of ``AuditLog.write``. Raises ValueError, TypeError or KeyError for what is no record."""
    found = decode(line)
    if found is None:  # only where one job is asked for
        raise ValueError("the line is another job's")
    return _record(found)


def _record(found: Logged) -> AuditRecord:
    return AuditRecord(
        ref=JobRef(found.namespace, found.name, found.uid),
        generation=found.generation,
        job=found.job,
        evaluation=found.evaluation,
        decision=found.decision,
        why=found.why,
        shadow=found.shadow,
    )
