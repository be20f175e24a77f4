"""Loopback addresses for pods: each node agent of a machine holds a range of its own, for as long as it runs.

Drivers of Spark listen on fixed ports of their pod's address, so two agents must never give the same one out.
"""

import contextlib
import errno
import secrets
import socket
from collections.abc import Container

_FIRST, _RANGES = 64, 128  # 127.64.0.0 to 127.191.255.255, one /16 each
_LAST_ADDRESS = 65_000  # of a range; the lock's is above it
_LOCK_HOST, _LOCK_PORT = "255.254", 6640


class NoRangeError(Exception):
    """All ranges of this machine are in use."""


class Network:
    """A range that no other agent of this machine holds; ``close`` gives it back, and so does the process's end."""

    def __init__(self) -> None:
        """Raises NoRangeError."""
        self._lock, self._prefix = _claim()
        self._given = 0

    def free_address(self, used: Container[str]) -> str:
        """The next address that is not in ``used``; some 65,000 pass before one comes again."""
        while True:
            self._given = self._given % _LAST_ADDRESS + 1
            address = f"{self._prefix}.{self._given // 254}.{self._given % 254 + 1}"
            if address not in used:
                return address

    def close(self) -> None:
        self._lock.close()


def _claim() -> tuple[socket.socket, str]:
    """A bound socket is the lock: the kernel gives an address and port to one process only."""
    start = secrets.randbelow(_RANGES)
    for step in range(_RANGES):
        prefix = f"127.{_FIRST + (start + step) % _RANGES}"
        lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            lock.bind((f"{prefix}.{_LOCK_HOST}", _LOCK_PORT))
        except OSError as error:
            with contextlib.closing(lock):
                if error.errno != errno.EADDRINUSE:
                    raise
        else:
            return lock, prefix
    raise NoRangeError(f"{_RANGES} node agents run on this machine, and there are no addresses for another one")
