"""Keeps containers within their memory limits, as far as a process of the same user can: by looking twice a second."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from sparkiot_sim.nodeagent.process import Process

log = logging.getLogger(__name__)

PERIOD_SECONDS = 0.5
_PAGE_BYTES = 4096
_PPID, _RSS = 1, 21  # places in /proc/PID/stat behind the name: parent and resident pages


class MemoryGuard:
    """Kills a container whose processes together use more than its limit."""

    def __init__(self) -> None:
        self._watched: dict[Process, tuple[int, Callable[[], None]]] = {}

    @contextlib.contextmanager
    def limit(self, process: Process, limit_bytes: int, exceeded: Callable[[], None]) -> Iterator[None]:
        """Within the block the process tree is held to the limit; `exceeded` is called before it is killed."""
        self._watched[process] = (limit_bytes, exceeded)
        try:
            yield
        finally:
            del self._watched[process]

    async def run(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            if not self._watched:
                continue
            table = process_table()
            for process, (limit, exceeded) in list(self._watched.items()):
                tree = below(table, process.pid)
                # Resident memory counts shared pages once for each process, so it only raises the suspicion.
                if sum(table[pid][1] for pid in tree) > limit and (used := proportional(tree)) > limit:
                    log.info("process %d uses %d MiB of %d MiB: killed", process.pid, used >> 20, limit >> 20)
                    exceeded()
                    process.send(signal.SIGKILL)


def process_table() -> dict[int, tuple[int, int]]:
    """Parent and resident bytes of each process of the machine, in one pass over /proc."""
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                table[int(entry.name)] = int(fields[_PPID]), int(fields[_RSS]) * _PAGE_BYTES
    return table


def below(table: dict[int, tuple[int, int]], root: int) -> list[int]:
    """`root` and its descendants, as far as they are in the table."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [root] if root in table else []
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def proportional(pids: list[int]) -> int:
    """Bytes of these processes, each shared page counted by its share."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            total += psutil.Process(pid).memory_full_info().pss
    return total
