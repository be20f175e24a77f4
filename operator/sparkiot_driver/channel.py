"""JSON lines over a Unix socket: how the supervisor and the runner inside Spark talk."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

Message = Dict[str, Any]

MAX_LINE = 8 << 20
"""Bytes of one message; a listing of a thousand executors is a tenth of it."""


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Another name of a socket: the kernel takes 107 bytes, and folders of pods have longer names."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Channel:
    """One end of the connection. ``send`` may be called from any thread; ``messages`` from one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def connect(cls, path: str) -> Channel:
        """Raises OSError when nobody listens there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short(Path(path)) as name:
            connection.connect(name)
        return cls(connection)

    def send(self, message: Mapping[str, Any]) -> bool:
        """Whether the message went out; False when the other end is gone."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            with self._lock:
                self._connection.sendall(line)
        except OSError:
            return False
        return True

    def messages(self) -> Iterator[Message]:
        """Messages as they come, until the other end closes or sends what is none."""
        with self._connection.makefile("rb") as lines:
            while True:
                try:
                    line = lines.readline(MAX_LINE)
                    message = json.loads(line) if line.endswith(b"\n") else None
                except (OSError, ValueError):
                    return
                if not isinstance(message, dict):
                    return
                yield message

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the other end may have been quicker
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Listener:
    """The supervisor's end: a socket that only this user may connect to; one runner at a time."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            with _short(path) as name:
                self._socket.bind(name)
        finally:
            os.umask(mask)
        self._socket.listen(1)

    def accept(self) -> Channel | None:
        """The next runner; None once the listener is closed."""
        try:
            return Channel(self._socket.accept()[0])
        except OSError:
            return None
