"""The audit log: one JSON line for each decision, with all that is needed to explain it or to decide it again.

Files are append-only and rotated by size: ``decisions.jsonl`` is written, ``decisions.jsonl.1`` is the newest rotated
one, higher numbers are older. A line is complete or the last one of its file: a crash can only cut the end.
"""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

from sparkiot_policies.codec import (
    decode_decision,
    decode_evaluation,
    decode_job,
    encode_decision,
    encode_evaluation,
    encode_job,
)
from sparkiot_policies.decision import Decision
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .errors import OperatorError
from .events import JobRef

LOGGER = logging.getLogger(__name__)
SCHEMA = 2
"""Version of a line's layout; a reader refuses those that it does not know."""
READABLE = (1, SCHEMA)
"""Version 1 knew no policy in shadow."""
FILE_NAME = "decisions.jsonl"
TAIL_BYTES = 65536
_ROTATED = re.compile(re.escape(FILE_NAME) + r"\.(\d+)$")


class AuditError(OperatorError):
    """A line of an audit log cannot be read. The message names file and line."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One decision and its surroundings. generation: of the spec that it rests on. shadow: what a policy on trial
    decided beside it, for itself alone; None where there was none."""

    ref: JobRef
    generation: int
    job: Job
    evaluation: Evaluation
    decision: Decision
    shadow: Decision | None = None


class AuditLog:
    """Appends records below a folder. Not for several processes at once: each operator has its own folder.

    max_bytes: size at which a file is rotated. files: rotated files that are kept.
    """

    def __init__(self, folder: Path, *, max_bytes: int, files: int) -> None:
        self._path = folder / FILE_NAME
        self._max_bytes = max_bytes
        self._files = files
        folder.mkdir(parents=True, exist_ok=True)
        self._file: FileIO = self._open()

    def write(self, record: AuditRecord) -> None:
        """Append one line and hand it to the operating system. Raises OSError when that fails (disk full)."""
        line = orjson.dumps(encode_record(record), option=orjson.OPT_APPEND_NEWLINE)
        if self._file.tell() + len(line) > self._max_bytes and self._file.tell() > 0:
            self._rotate()
        self._file.write(line)

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
        "shadow": encode_decision(record.shadow) if record.shadow else None,
    }


def read_audit(paths: Sequence[Path]) -> Iterator[AuditRecord]:
    """The records of audit files, or of folders of them, oldest first; a folder's files in the order of rotation.

    A last line without an end is a decision that a crash cut off: it is left out with a warning. Raises AuditError for
    anything else that is no record, and FileNotFoundError for an absent path.
    """
    for path in paths:
        for file in audit_files(path) if path.is_dir() else [path]:
            yield from _read_file(file)


def audit_files(folder: Path) -> list[Path]:
    """The audit files of a folder, oldest first."""
    rotated = [(int(found[1]), p) for p in folder.iterdir() if (found := _ROTATED.search(p.name))]
    current = folder / FILE_NAME
    return [path for _, path in sorted(rotated, reverse=True)] + ([current] if current.exists() else [])


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


def _read_file(path: Path) -> Iterator[AuditRecord]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield decode_line(line)
            except (ValueError, TypeError, KeyError) as error:
                if not line.endswith(b"\n"):
                    LOGGER.warning("%s:%d: the last line is cut off and left out", path, number)
                    return
                raise AuditError(f"{path}:{number}: not an audit record: {error!r}") from error


def decode_line(line: bytes) -> AuditRecord:
    """The inverse of ``AuditLog.write``. Raises ValueError, TypeError or KeyError for what is no record."""
    raw = orjson.loads(line)
    if not isinstance(raw, dict) or raw.get("schema") not in READABLE:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise ValueError(f"schema {found!r}, known are {', '.join(map(str, READABLE))}")
    return AuditRecord(
        ref=JobRef(raw["namespace"], raw["name"], raw["uid"]),
        generation=raw["generation"],
        job=decode_job(raw["job"]),
        evaluation=decode_evaluation(raw["evaluation"]),
        decision=decode_decision(raw["decision"]),
        shadow=decode_decision(raw["shadow"]) if raw.get("shadow") else None,
    )
