"""Gateways whose messages land, and a streaming job that reads them in a process of its own, to be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sparkiot_edge.forwarding.message import LineWriter, Message
from sparkiot_edge.forwarding.sinks.base import Sink
from sparkiot_edge.forwarding.sinks.landing import LandingFolder
from sparkiot_edge.forwarding.spool import Spool
from sparkiot_operator.landing import committed_files

PATIENCE_S = 180.0
HOUR = 1_767_571_200.0
"""2026-01-05T00:00:00Z"""


class Gateway:
    """What a gateway does from the message to the sink, without broker and threads. One instance is one run.

    Messages have the ids ``NAME-1``, ``NAME-2``, … and go on from those of an earlier run, which ``first`` says.
    """

    def __init__(self, name: str, spill: Path, sink: Sink, *, first: int = 1) -> None:
        self.name, self._sink = name, sink
        self._spool = Spool(spill / name, source=name, max_bytes=1 << 30, roll_s=1.0)
        self._writer = LineWriter(source=name)
        self._ids = count(first)
        self.sent: list[str] = []

    def send(self, messages: int, *, at: float) -> None:
        """One file of so many messages. It waits until ``deliver``."""
        lines = []
        for _ in range(messages):
            self.sent.append(f"{self.name}-{next(self._ids)}")
            payload = json.dumps({"id": self.sent[-1], "device": f"lamp-{len(self.sent) % 7}", "value": 1.5})
            lines.append(self._writer.line(Message("city/4/data", payload.encode(), 0, at)))
        self._spool.append(lines, now=at)
        self._spool.roll(now=at + 3600)

    def deliver(self) -> None:
        while segment := self._spool.take(0):
            self._sink.deliver(segment)
            self._spool.done(segment)

    def stop(self) -> None:
        self._spool.close()
        self.deliver()
        self._spool.release()


def folder_gateway(name: str, root: Path, *, first: int = 1) -> Gateway:
    return Gateway(name, root / ".spill", LandingFolder(root), first=first)


class Job:
    """A streaming query from a source to a file sink, as a process group of its own."""

    def __init__(
        self, folder: Path, source: Mapping[str, str], *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder, self._source = folder, source
        self.sink, self.checkpoint = folder / "sink", folder / "checkpoint"
        self._environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", **(environment or {})}
        self._environment.setdefault("PYSPARK_PYTHON", sys.executable)
        self.process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self, **options: str) -> Iterator[None]:
        """Ended by kill -9 at the latest. options: more of the source's."""
        command = [sys.executable, str(Path(__file__).with_name("sources_job.py"))]
        arguments = {"source": {**self._source, **options}, "sink": str(self.sink), "checkpoint": str(self.checkpoint)}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, json.dumps(arguments)],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process is not None
            ended = self.process.poll()
            assert ended is None, f"{what}: the job ended with {ended}: {self.log[-3000:]}"
            assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:g} s: {self.log[-3000:]}"
            time.sleep(0.05)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def batches(self, kind: str) -> int:
        """How many were planned (offsets) or completed (commits)."""
        return len(list((self.checkpoint / kind).glob("[0-9]*")))

    def ids(self) -> list[str]:
        """Of the messages in the sink, as far as batches are complete."""
        lines = [line for file in committed_files(self.sink) for line in file.read_text().splitlines()]
        return [json.loads(line)["id"] for line in lines]
