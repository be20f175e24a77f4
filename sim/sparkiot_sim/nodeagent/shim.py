"""Runs one container's process and sees to its end: a program of its own, started by file path with a bare Python.

    agent ── spec, then commands (JSON lines) ──> stdin  [shim] stdout ── events (JSON lines) ──> agent
                                                            └─ the container's process, in a session of its own

It stands between agent and container as containerd's shim does: it writes the log while the agent is busy, adopts
whatever the container leaves behind, and when the main process ends, or the agent does (end of stdin, also after
`kill -9`), it kills every descendant, as the end of a pid namespace would. It never signals anything else.

Spec: {"argv", "env", "cwd", "log", "log_bytes"}. Commands: {"signal": N} to the main process.
Events: {"pid": N} | {"error": text}, then {"code": N, "signal": N or 0} when the main process has ended.
"""

import contextlib
import ctypes
import io
import json
import os
import selectors
import signal
import time
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LINE_LIMIT = 64 * 1024  # bytes; a longer line is split
_LAST_WORDS_SECONDS = 5.0  # for processes that SIGKILL does not end at once


class Log:
    """A file of lines, each with its time in front; above `limit` bytes it becomes `<path>.1` and starts anew."""

    def __init__(self, path: str, limit: int) -> None:
        self._path, self._limit = path, limit
        self._file = io.FileIO(path, "ab")
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) >= _LINE_LIMIT:
            lines.append(self._rest)
            self._rest = b""
        self._write(lines)

    def close(self) -> None:
        self._write([self._rest] if self._rest else [])
        self._file.close()

    def _write(self, lines: list[bytes]) -> None:
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e9):09d}Z "
        with contextlib.suppress(OSError):  # a full disk must not stop the container
            self._file.write(b"".join(stamp.encode() + line + b"\n" for line in lines))
            if self._file.tell() > self._limit:
                os.replace(self._path, f"{self._path}.1")  # noqa: PTH105 importing pathlib takes longer than all else
                self._file.close()
                self._file = io.FileIO(self._path, "ab")


def descendants() -> list[int]:
    """Living processes below this one, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 as above
        with contextlib.suppress(OSError), io.FileIO(f"/proc/{entry}/stat") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                children.setdefault(int(parent), []).append(int(entry))
    found, todo = [], [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def kill_all() -> None:
    """SIGKILL to every descendant until none is left. A pid cannot be reused on the way: this process reaps it."""
    deadline = time.monotonic() + _LAST_WORDS_SECONDS
    while (alive := descendants()) and time.monotonic() < deadline:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
        reap(0)


def tell(**event: object) -> None:
    with contextlib.suppress(OSError):  # the agent is gone
        os.write(1, json.dumps(event).encode() + b"\n")


def start(spec: dict[str, Any], output: int) -> int:
    """The pid of the container's process. Raises OSError when the program cannot be started."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    failed, report = os.pipe()  # closes by itself when the program starts
    pid = os.fork()
    if pid == 0:
        what = spec["cwd"]
        try:
            os.setsid()
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program inherits that
            os.chdir(spec["cwd"])
            what = spec["argv"][0]
            os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606
        except OSError as error:
            os.write(report, json.dumps([error.errno, error.strerror, what]).encode())
        finally:
            os._exit(127)
    os.close(report)
    with os.fdopen(failed) as reader:
        why = reader.read()
    if why:
        os.waitpid(pid, 0)
        raise OSError(*json.loads(why))
    return pid


def supervise(main: int, output: int, log: Log, commands: bytes) -> None:
    """Until the main process has ended: its output into the log, commands to it; then the rest is killed."""
    awake, waker = os.pipe()
    for end in (awake, waker, 0, output):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    watch = selectors.DefaultSelector()
    for source in (0, output, awake):
        watch.register(source, selectors.EVENT_READ)
    status: int | None = reap(main)
    while status is None:
        for key, _ in watch.select():
            if key.fd == awake:
                os.read(awake, 4096)
                status = reap(main)
            elif key.fd == output:
                log.feed(os.read(output, 65536))
            else:
                data = os.read(0, 65536)
                if not data:
                    kill_all()
                    return
                *lines, commands = (commands + data).split(b"\n")
                for line in lines:
                    os.kill(main, json.loads(line)["signal"])  # not reaped yet, so the pid is still its own
    kill_all()
    with contextlib.suppress(BlockingIOError):
        while data := os.read(output, 65536):
            log.feed(data)
    log.close()
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    tell(code=128 + ended_by if ended_by else os.WEXITSTATUS(status), signal=ended_by)


def reap(main: int) -> int | None:
    """Collects ended children; the main process's wait status when it is among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == main:
                found = ended[1]
    return found


def run() -> None:
    first = b""
    while b"\n" not in first:
        data = os.read(0, 65536)
        if not data:
            return
        first += data
    line, _, commands = first.partition(b"\n")
    spec = json.loads(line)
    log = Log(spec["log"], spec["log_bytes"])
    output, sink = os.pipe()
    try:
        main = start(spec, sink)
    except OSError as error:
        tell(error=f"{error.strerror}: {error.filename}")
        return
    os.close(sink)
    tell(pid=main)
    supervise(main, output, log, commands)


if __name__ == "__main__":
    run()
