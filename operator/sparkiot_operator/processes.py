"""Child processes of a command: started with a log file each, watched, and stopped by their pid."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PR_SET_PDEATHSIG = 1
"""From Linux' <sys/prctl.h>."""
POLL_S = 0.05
TAIL_LINES = 15
SPARKIOT = (sys.executable, "-m", "sparkiot_operator")


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that children are stopped and not left behind."""

    def interrupt(_: int, __: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_with_parent() -> None:
    """Runs in the child: Linux sends it SIGTERM when its parent dies, even of SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class ProcessFailedError(Exception):
    """A child ended, or was not ready in time. The message holds the last lines of its log."""


class Child:
    """One ``sparkiot`` subcommand in a process of its own; leaving the context stops it.

    log: file that takes its output. stop_s: seconds it gets after SIGTERM before it is killed. program: another one
    than ``sparkiot``. name: what messages call it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        stop_s: float = 10,
        program: Sequence[str] = SPARKIOT,
        name: str | None = None,
    ) -> None:
        self.name = name or f"sparkiot {arguments[0]}"
        self.log = log
        self._command = [*program, *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._stop_s = stop_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            # A session of its own: Ctrl-C reaches the parent only, which then stops its children in order.
            self._process = subprocess.Popen(  # noqa: S603 - commands of ours, without a shell
                self._command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - started before this process has a second thread
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        """Of the process, within the context."""
        if self._process is None:
            raise ProcessFailedError(f"`{self.name}` was not started")
        return self._process.pid

    def check(self) -> None:
        """Raises ProcessFailedError when the process has ended."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise ProcessFailedError(f"`{self.name}` ended with code {code}; {self._tail()}")

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait for ``ready``. Raises ProcessFailedError when the process ends or the time is over first."""
        until = time.monotonic() + timeout_s
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise ProcessFailedError(f"`{self.name}` was not ready in {timeout_s:g} s; {self._tail()}")
            time.sleep(POLL_S)

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return f"the last lines of {self.log}:\n  " + "\n  ".join(lines or ["(empty)"])
