"""Reads the log files that the shims write: a time and a line each, the older part in `<file>.1`."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path

from sparkiot_sim.devcluster.podlogs import LogOptions

_POLL_SECONDS = 0.2


class _Tail:
    """New lines of a file that may be rotated, or removed with its pod, while it is open here."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path = path
        self._stack = stack
        self._file = stack.enter_context(path.open("rb"))

    def read(self) -> list[bytes]:
        """Whole lines that were added since the last call."""
        lines = self._added()
        with suppress(FileNotFoundError):
            if self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino:
                lines += self._added()  # what came between the reading and the rotation
                self._file = self._stack.enter_context(self._path.open("rb"))
                lines += self._added()
        return lines

    def _added(self) -> list[bytes]:
        lines = self._file.readlines()
        if lines and not lines[-1].endswith(b"\n"):
            self._file.seek(-len(lines.pop()), os.SEEK_CUR)  # half written
        return lines


async def read(path: Path, options: LogOptions, now: datetime, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What is in the file; to follow it, also what is added for as long as `running` holds."""
    since = None if options.since_seconds is None else now - timedelta(seconds=options.since_seconds)
    earliest = since.strftime("%Y-%m-%dT%H:%M:%S").encode() if since else b""
    older = path.with_name(f"{path.name}.1")
    with ExitStack() as stack:
        tail = _Tail(path, stack)
        lines = (older.read_bytes().splitlines(keepends=True) if older.exists() else []) + tail.read()
        kept = deque((line for line in lines if line >= earliest), maxlen=options.tail_lines)
        yield _shown(kept, options)
        while options.follow:
            alive = running()  # asked first: what was written before the end is read after it
            if lines := tail.read():
                yield _shown(lines, options)
            if not alive:
                return
            await asyncio.sleep(_POLL_SECONDS)


def _shown(lines: Iterable[bytes], options: LogOptions) -> bytes:
    return b"".join(line if options.timestamps else line.partition(b" ")[2] for line in lines)
