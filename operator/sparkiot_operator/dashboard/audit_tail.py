"""Follows an operator's audit log: the newest part at the start, then every line that is added."""

import logging
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Self

from sparkiot_operator.audit import AuditRecord, audit_files, decode_line

LOGGER = logging.getLogger(__name__)
TAIL_BYTES = 64 * 1024 * 1024
"""How much of an old log is read at the start: about 11,000 decisions, which take some 5 s of one core."""


class AuditTail:
    """Records of one folder. damaged: lines that are no records; they are left out.

    tail_bytes: how much of what is there already is read. Survives rotation, and a folder that is still empty.
    """

    def __init__(self, folder: Path, *, tail_bytes: int = TAIL_BYTES) -> None:
        self._folder = folder
        self._tail_bytes = tail_bytes
        self._file: BufferedReader | None = None
        self._inode: int | None = None
        self.damaged = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def read(self) -> Iterator[AuditRecord]:
        """What is new since the last call, oldest first. Raises OSError where the folder cannot be read."""
        if self._file is None:
            yield from self._start()
        while self._file is not None:
            yield from self._lines(self._file)
            if not self._follow():
                return

    def _start(self) -> Iterator[AuditRecord]:
        """Open the current file, and read the end of the rotated ones before it."""
        files = audit_files(self._folder)
        sizes = [file.stat().st_size for file in files]
        for number, file in enumerate(files):
            skipped = max(sum(sizes[number:]) - self._tail_bytes, 0)
            if skipped >= sizes[number]:
                continue
            opened = self._open(file)
            if skipped:
                opened.seek(skipped)
                opened.readline()
            if number < len(files) - 1:
                yield from self._lines(opened)

    def _lines(self, file: BufferedReader) -> Iterator[AuditRecord]:
        """Whole lines only: what has no end yet is read again the next time, or was cut off and replaced by then."""
        while True:
            start = file.tell()
            line = file.readline()
            if not line.endswith(b"\n"):
                file.seek(start)
                return
            try:
                yield decode_line(line)
            except (ValueError, TypeError, KeyError) as error:
                self.damaged += 1
                LOGGER.warning("%s: a line is no audit record: %r", self._folder, error)

    def _follow(self) -> bool:
        """Go on in the files that were begun since: the one that was read is a rotated one then."""
        files = audit_files(self._folder)
        inodes = [file.stat().st_ino for file in files]
        newer = inodes.index(self._inode) + 1 if self._inode in inodes else len(files) - 1
        if newer >= len(files) or inodes[newer] == self._inode:
            return False
        self._open(files[newer])
        return True

    def _open(self, path: Path) -> BufferedReader:
        if self._file is not None:
            self._file.close()
        self._file = path.open("rb")
        self._inode = os.fstat(self._file.fileno()).st_ino
        return self._file
