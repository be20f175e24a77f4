"""Deletes blocks beside the batches: of those that committed, of runs that died, of tasks that came too late.

Names are ``JOB/RUN/b7/...``: RUN is of one SparkContext, so whatever lies under another run of the same job belongs to
a dead one, as a job has one driver at a time. Spark's own fallback storage is under ``JOB/fallback/APPLICATION/``.
"""

from __future__ import annotations

import logging
import queue
import threading
from functools import partial
from typing import Callable, Collection

from sparkiot_driver.shuffle.stores import Stores
from sparkiot_tiers.errors import TierError
from sparkiot_tiers.store import FALLBACK

log = logging.getLogger("sparkiot_driver.shuffle")

SWEEP_SECONDS = 300.0
CLOSE_SECONDS = 10.0


class Cleaner:
    """One thread; what is asked of it is done in order. clock: seconds that only grow."""

    def __init__(
        self, stores: Stores, job: str | None, run: str, *, application: str, clock: Callable[[], float]
    ) -> None:
        """job: without one, other runs cannot be told from other programs, and are let alone. application: Spark's id
        of this run, below which its own fallback storage is."""
        self._stores, self._job, self._run, self._clock = stores, job, run, clock
        self._application = application
        self._asked: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._oldest = 0
        self._swept_at = clock()
        self._thread = threading.Thread(target=self._work, name="sparkiot-cleaner", daemon=True)
        self._thread.start()
        self._asked.put(self._sweep)

    @property
    def root(self) -> str:
        """What the keys of this run begin with."""
        return f"{self._job or 'nameless'}/{self._run}/"

    def batch(self, number: int) -> str:
        """What the keys of a batch begin with; numbers grow over the run."""
        return f"{self.root}b{number}/"

    def committed(self, number: int, tiers: Collection[str], oldest: int) -> None:
        """A batch is over that was written to these tiers. oldest: number of the oldest batch that is not."""
        self._oldest = oldest
        self._asked.put(lambda: self._delete(self.batch(number), tiers))
        self._asked.put(self._stores.recheck)
        if self._clock() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = self._clock()
            self._asked.put(self._sweep)

    def wait(self) -> None:
        """Until all that was asked for is done."""
        done = threading.Event()
        self._asked.put(done.set)
        done.wait(CLOSE_SECONDS)

    def close(self) -> None:
        """Delete what this run has left, and end. Takes CLOSE_SECONDS at most."""
        self._asked.put(lambda: self._delete(self.root, list(self._stores.by_tier)))
        self._asked.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        for task in iter(self._asked.get, None):
            self._do(task)

    @staticmethod
    def _do(task: Callable[[], object]) -> None:
        try:
            task()
        except TierError as error:
            log.warning(
                "blocks were not deleted, the next sweep tries again: %s: %s: %s", error.tier, error.reason, error
            )
        except Exception:
            log.exception("blocks were not deleted, the next sweep tries again")

    def _sweep(self) -> None:
        """Delete what no batch that runs has written: a tier that does not work now is looked at the next time."""
        prefix = f"{self._job}/" if self._job else self.root
        for tier in self._stores.reachable:
            self._do(partial(self._sweep_tier, tier, prefix))

    def _sweep_tier(self, tier: str, prefix: str) -> None:
        gone = self._stores.by_tier[tier].delete_prefix(prefix, self._is_dead)
        if gone:
            log.info("deleted %d blocks of dead runs and late tasks from tier %s", gone, tier)

    def _is_dead(self, key: str) -> bool:
        if not key.startswith(self.root):
            return not key.startswith(f"{self._job}/{FALLBACK}/{self._application}/")
        number = key[len(self.root) + 1 :].split("/", 1)[0]
        return number.isdigit() and int(number) < self._oldest

    def _delete(self, prefix: str, tiers: Collection[str]) -> None:
        for tier in self._stores.reachable:
            if tier in tiers:
                self._do(partial(self._stores.by_tier[tier].delete_prefix, prefix))
