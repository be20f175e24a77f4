"""What processes take and how many drivers there are, looked at all the time: what does not last counts too."""

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from chaos.world import World

EVERY_S = 2.0
MIB = 1 << 20


@dataclass
class Peaks:
    """The most that any operator had, and the most drivers that ran at once."""

    memory_mib: float = 0.0
    descriptors: int = 0
    threads: int = 0
    drivers: int = 0


class Sampler:
    """Looks until it is closed."""

    def __init__(self, world: "World") -> None:
        self.peaks = Peaks()
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            for replica in self._world.operators.replicas:
                with contextlib.suppress(psutil.Error):
                    self._operator(psutil.Process(replica.process.pid))
            if self._world.pods_are_processes:
                self.peaks.drivers = max(self.peaks.drivers, drivers_in(self._world.folder))

    def _operator(self, process: psutil.Process) -> None:
        peaks = self.peaks
        peaks.memory_mib = max(peaks.memory_mib, process.memory_info().rss / MIB)
        peaks.descriptors = max(peaks.descriptors, process.num_fds())
        peaks.threads = max(peaks.threads, process.num_threads())


def drivers_in(folder: Path) -> int:
    """How many processes of this machine are the supervisor of a driver pod of this run, whoever started them: one that
    outlives the node that died counts too."""
    found = 0
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        found += words[1:3] == ["-m", "sparkiot_driver"] and any(str(folder) in word for word in words[3:])
    return found
