"""Reads the log files that the shims write: a time and a line each, the older part in `<file>.1`."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from sparkiot_sim.devcluster.podlogs import LogOptions

_POLL_SECONDS = 0.2


class _Tail:
    """New lines of a file that may be rotated in between."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._older = path.with_name(f"{path.name}.1")
        self._inode: int | None = None
        self._offset = 0

    def read(self) -> list[bytes]:
        """Whole lines that were added since the last call; at the first call all that are kept."""
        lines: list[bytes] = []
        with self._path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if inode != self._inode:
                if self._older.exists():
                    with self._older.open("rb") as older:
                        older.seek(self._offset)
                        lines = older.readlines()
                self._inode, self._offset = inode, 0
            file.seek(self._offset)
            fresh = file.readlines()
        if fresh and not fresh[-1].endswith(b"\n"):
            fresh.pop()  # half written
        self._offset += sum(map(len, fresh))
        return lines + fresh


async def read(path: Path, options: LogOptions, now: datetime, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What is in the file; to follow it, also what is added for as long as `running` holds."""
    since = None if options.since_seconds is None else now - timedelta(seconds=options.since_seconds)
    earliest = since.strftime("%Y-%m-%dT%H:%M:%S").encode() if since else b""
    tail = _Tail(path)
    kept = deque((line for line in tail.read() if line >= earliest), maxlen=options.tail_lines)
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
