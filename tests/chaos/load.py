"""The live job's load: files of rows that go on arriving, and how many rows there are so far."""

import threading
from pathlib import Path

from sparkiot_operator.landing import write_file

EVERY_S = 2.0
"""Spark takes a task for each file: what waits while it is away must not take longer to read than it was away."""


class Load:
    """Writes into a landing folder until it is closed. rate: rows a second. written: rows that are there for sure."""

    def __init__(self, folder: Path, *, rate: float) -> None:
        self.written = 0
        self._folder, self._rows = folder, round(rate * EVERY_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _write(self) -> None:
        while not self._stop.wait(EVERY_S):
            write_file(self._folder, range(self.written, self.written + self._rows))
            self.written += self._rows
