"""One process under a shim, as an object of the event loop."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SHIM = Path(__file__).with_name("shim.py")
LOG_BYTES = 10 * 1024 * 1024  # of one log file; one older file is kept beside it


class StartError(Exception):
    """The program could not be started; the message names it and the reason."""


@dataclass(frozen=True)
class Exit:
    """How a process ended: exit code (128 + number for a signal) and the number of the signal, or 0."""

    code: int
    signal: int = 0


class Process:
    """A running program. It and whatever it starts end with it, with this object's process, or by `kill`."""

    def __init__(self, shim: asyncio.subprocess.Process, pid: int) -> None:
        self.pid = pid
        self._shim = shim
        self._ended = asyncio.create_task(self._read_exit())

    @staticmethod
    async def start(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> "Process":
        """Raises StartError. stdout and stderr go to `log`, each line with its time in front."""
        log.parent.mkdir(parents=True, exist_ok=True)
        shim = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_SHIM)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            env={},
        )
        spec = {"argv": [*argv], "env": dict(env), "cwd": str(cwd), "log": str(log), "log_bytes": LOG_BYTES}
        _send(shim, spec)
        event = await _next_event(shim)
        if "pid" not in event:
            await shim.wait()
            raise StartError(event.get("error", "the shim of the container ended"))
        return Process(shim, event["pid"])

    async def wait(self) -> Exit:
        return await asyncio.shield(self._ended)

    @property
    def running(self) -> bool:
        return not self._ended.done()

    def send(self, number: signal.Signals) -> None:
        """A signal to the main process; nothing happens when it has ended."""
        if self.running:
            _send(self._shim, {"signal": int(number)})

    async def stop(self, grace: float) -> Exit:
        """SIGTERM, and SIGKILL when it has not ended after `grace` seconds; whatever it started goes with it."""
        if grace > 0:
            self.send(signal.SIGTERM)
            await asyncio.wait((self._ended,), timeout=grace)
        self.send(signal.SIGKILL)
        return await self.wait()

    async def _read_exit(self) -> Exit:
        event = await _next_event(self._shim)
        await self._shim.wait()
        # Without an event somebody has killed the shim, and the kernel its child.
        return Exit(event["code"], event["signal"]) if "code" in event else Exit(137, signal.SIGKILL)


def _send(shim: asyncio.subprocess.Process, message: Mapping[str, object]) -> None:
    if shim.stdin and not shim.stdin.is_closing():
        shim.stdin.write(json.dumps(message).encode() + b"\n")


async def _next_event(shim: asyncio.subprocess.Process) -> Mapping[str, Any]:
    line = await shim.stdout.readline() if shim.stdout else b""
    event: Mapping[str, Any] = json.loads(line) if line else {}
    return event
