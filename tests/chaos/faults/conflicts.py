"""Somebody else who writes the jobs without a pause, so that the operators' own writes meet real conflicts."""

import contextlib
import threading

from chaos.client import RefusedError, UnreachableError
from chaos.faults.base import Fault
from chaos.schedule import Kind

PAUSE_S = 0.02


class Conflicts(Fault):
    """An annotation, which means nothing to anybody."""

    kind = Kind("conflicts", frozenset({"conflicts"}), 4.0, 8.0)
    about = "another writer changes an annotation of the jobs up to fifty times a second"

    def inject(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="conflicts", daemon=True)
        self._thread.start()

    def heal(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        client, count = self.world.eyes, 0
        while not self._stop.wait(PAUSE_S):
            path = client.jobs_path(self.world.job_names[count % len(self.world.job_names)])
            with contextlib.suppress(UnreachableError, RefusedError):
                client.merge(path, {"metadata": {"annotations": {"chaos": str(count)}}})
            count += 1
