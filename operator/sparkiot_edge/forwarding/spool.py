"""Messages on disk between the devices' broker and the sink: what makes an acknowledgement true.

Every message goes this way, whether the sink is there or not. A broker hands out only so many messages that nobody has
acknowledged (Mosquitto: 20), so an acknowledgement must not wait for a file that collects a second of them; and what
runs every second is what runs when the sink is away.

The files hold the very lines that sinks carry: a landing folder on the same file system is given the file itself.
"""

import contextlib
import fcntl
import os
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from .segment import SUFFIX, Segment, new_run
from .sinks.landing import sync_folder

MEBIBYTE = 1 << 20
SEGMENT_BYTES = 8 * MEBIBYTE
SYNC = getattr(os, "fdatasync", os.fsync)
"""macOS has no fdatasync, which spares the time of the last change."""


class SpoolError(Exception):
    """The folder cannot be used, or what was to be kept is not on disk. The message says what to do about it."""


class SpoolFullError(SpoolError):
    """As much waits for the sink as may."""


class _Open:
    """The segment that is written now. good: its bytes that were synced."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.good = 0
        self.messages = 0
        self.file: BinaryIO = segment.path.open("xb", buffering=0)


class Spool:
    """One gateway's. ``append``, ``roll`` and ``close`` belong to one thread, ``take`` and ``done`` to another.

    max_bytes: of all files together. roll_s: seconds of messages in a file while the sink keeps up; while it does not,
    files grow to segment_bytes. What an earlier process left here is taken first. Raises SpoolError.
    """

    def __init__(
        self, folder: Path, *, source: str, max_bytes: int, roll_s: float, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder, self._source, self._run = folder, source, new_run()
        self.max_bytes, self._segment_bytes = max_bytes, segment_bytes
        self._roll_ms = roll_s * 1000
        self._open: _Open | None = None
        self._sealed: deque[tuple[Segment, int, int]] = deque()
        self._changed = threading.Condition()
        self._bytes = self._messages = 0
        self._newest_ms = 0
        self._closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
            self._recover()
        except OSError as error:
            raise SpoolError(f"the spill folder {folder} cannot be used: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes on disk that are not in the sink."""
        return self._bytes

    @property
    def messages(self) -> int:
        """Messages on disk that are not in the sink."""
        return self._messages

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def has_room(self) -> bool:
        """Enough to begin again after it was full: a tenth of the bound."""
        return self._bytes <= 0.9 * self.max_bytes

    def append(self, lines: Sequence[bytes], *, now: float) -> None:
        """Each line ends in a line feed; all are on disk when this returns. now: epoch seconds.

        Raises SpoolFullError, and SpoolError when the disk refuses. None of the lines counts as kept then; some may
        reach the sink nonetheless, and again later.
        """
        data = b"".join(lines)
        if self._closed:
            raise SpoolError(f"{self._folder} is closed: the gateway ends")
        if self._bytes + len(data) > self.max_bytes:
            raise SpoolFullError(
                f"{self._folder} holds {self._bytes} of at most {self.max_bytes} bytes: is the sink away?"
            )
        self.roll(now=now)
        try:
            current = self._open or self._begin(now)
            _write(current.file, data)
            SYNC(current.file.fileno())
        except OSError as error:
            self._give_up()
            raise SpoolError(f"{self._folder} cannot be written: {error.strerror}") from error
        current.good += len(data)
        current.messages += len(lines)
        with self._changed:
            self._bytes += len(data)
            self._messages += len(lines)
        if current.good >= self._segment_bytes:
            self._seal()

    def roll(self, *, now: float) -> None:
        """Hand the current file to the sink if it is due. now: epoch seconds."""
        if self._open is None:
            return
        segment, milliseconds = self._open.segment, int(now * 1000)
        # While the sink has files to do, another small one is of no use to it.
        due = not self._sealed and milliseconds - segment.milliseconds >= self._roll_ms
        if due or milliseconds // 3_600_000 > segment.milliseconds // 3_600_000:
            self._seal()

    def take(self, timeout_s: float) -> Segment | None:
        """The oldest file that waits for the sink, again and again until it is done; None when there is none in time,
        or at once when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._sealed or self._closed, timeout_s)
            return self._sealed[0][0] if self._sealed else None

    def done(self, segment: Segment) -> int:
        """The sink has it; returns its messages. Raises SpoolError when it cannot be removed, and would come again."""
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:
            raise SpoolError(f"{segment.path} cannot be removed: {error.strerror}") from error
        with self._changed:
            _, size, messages = self._sealed.popleft()
            self._bytes -= size
            self._messages -= messages
        return messages

    def close(self) -> None:
        """Hand over what is there, and take no more. Idempotent."""
        if self._open is not None:
            self._seal()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def release(self) -> None:
        """Let another process have the folder; after the last ``done``."""
        os.close(self._lock)

    def _begin(self, now: float) -> _Open:
        # A clock that was set back must not change the order of files, nor name one like another.
        self._newest_ms = max(int(now * 1000), self._newest_ms + 1)
        segment = Segment.named(self._folder, source=self._source, milliseconds=self._newest_ms, run=self._run)
        self._open = _Open(segment)
        sync_folder(self._folder)
        return self._open

    def _seal(self) -> None:
        current, self._open = self._open, None
        if current is None:
            return
        current.file.close()
        with self._changed:
            self._sealed.append((current.segment, current.good, current.messages))
            self._changed.notify_all()

    def _give_up(self) -> None:
        """After a write or sync that failed nobody knows what of it is on disk: go on in another file."""
        current = self._open
        if current is None:
            return
        with contextlib.suppress(OSError):
            current.file.truncate(current.good)
        if current.good:
            self._seal()
            return
        self._open = None
        current.file.close()
        with contextlib.suppress(OSError):
            current.segment.path.unlink()

    def _recover(self) -> None:
        found = [segment for path in self._folder.glob(f"*{SUFFIX}") if (segment := Segment.found(path))]
        found.sort(key=lambda segment: (segment.milliseconds, segment.path.name))
        for segment in found:
            # Only the newest was being written, so only there can be what was never synced.
            size, messages = _repair(segment.path, whole=segment is found[-1])
            if messages:
                self._sealed.append((segment, size, messages))
                self._bytes += size
                self._messages += messages
            else:
                segment.path.unlink()
            self._newest_ms = segment.milliseconds


def _repair(path: Path, *, whole: bool) -> tuple[int, int]:
    """Cut off what was never synced; return bytes and lines. whole: look into each line, as a power cut may leave holes
    in what was not synced. Raises OSError."""
    good = messages = 0
    with path.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n") or (whole and not _is_json(line)):
                break
            good += len(line)
            messages += 1
        if good < os.fstat(file.fileno()).st_size:
            file.truncate(good)
            os.fsync(file.fileno())
    return good, messages


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _locked(folder: Path) -> int:
    """Held until it is closed, or the process ends, however it ends. Raises SpoolError and OSError."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise SpoolError(f"{folder} belongs to a gateway that runs; give each one a folder of its own") from None
    return handle
