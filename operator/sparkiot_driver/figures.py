"""Totals that only grow, also when Spark starts anew in the pod and its own counters begin at zero again. Pure."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from sparkiot_driver.executors import DRIVER, Executor, Requests

JSON = Mapping[str, Any]

KEPT_REMOVED = 20
KEPT_STAGES = 500
"""More than Spark retains (spark.ui.retainedStages is 100), so a stage is never counted twice."""
_COUNTED = {
    "shuffleWriteBytes": "shuffle_write",
    "shuffleReadBytes": "shuffle_read",
    "inputBytes": "input_bytes",
    "gcSeconds": "gc_seconds",
    "taskSeconds": "task_seconds",
    "failedTasks": "failed_tasks",
}


class Growing:
    """A sum over parts whose counters grow each by itself; a part that vanishes keeps its share."""

    def __init__(self) -> None:
        self._gone = 0.0
        self._parts: dict[Any, float] = {}

    def update(self, key: Any, value: float) -> None:
        self._parts[key] = max(self._parts.get(key, 0.0), value)

    def settle(self, keep: int = 0) -> None:
        """Count all but the newest ``keep`` parts as gone: their keys may come again for others."""
        for key in list(self._parts)[: max(len(self._parts) - keep, 0)]:
            self._gone += self._parts.pop(key)

    @property
    def total(self) -> float:
        return self._gone + sum(self._parts.values())


class ExecutorFigures:
    """Executors of this and all earlier starts of Spark in this process: who is here, who left, what they did."""

    def __init__(self) -> None:
        self.active: list[Executor] = []
        self.leaving: set[str] = set()
        self.noticed: set[str] = set()
        self.notices = 0
        self.startup: dict[str, float | None] = {}
        self.newest_startup: float | None = None
        self.removed: list[dict[str, Any]] = []
        self.lost = 0
        self.out_of_memory = 0
        self._sums = {name: Growing() for name in _COUNTED}
        self._spill = Growing()
        self._requests = Requests()
        self._left: set[str] = set()
        self._told: set[str] = set()
        self._short: set[str] = set()

    @property
    def staying(self) -> list[Executor]:
        """Executors that are here and were not told to go."""
        return [executor for executor in self.active if executor.id not in self.leaving]

    def update(
        self,
        summaries: Iterable[Executor],
        *,
        told: Iterable[str],
        wanted: int | None,
        asked_at: float,
        short_of_memory: Iterable[str] = (),
        noticed: Iterable[str] = (),
    ) -> None:
        """Take in one listing of Spark's executors, the driver's own included.

        told: ids that we told to go. wanted: executors asked for, since ``asked_at``. short_of_memory: ids of those
        that a task ended for want of memory. noticed: ids of those whose pods have to end.
        """
        self._told.update(told)
        self._short.update(short_of_memory)
        # The driver is listed too, but runs no tasks: Spark gives its age as their duration.
        listed = sorted((e for e in summaries if e.id != DRIVER), key=lambda e: e.registered_at)
        for executor in listed:
            for name, attribute in _COUNTED.items():
                self._sums[name].update(executor.id, getattr(executor, attribute))
            cost = self._requests.registered(executor)
            if executor.id not in self.startup and cost is not None:
                self.newest_startup = cost
            self.startup.setdefault(executor.id, cost)
            if not executor.active and executor.id not in self._left:
                self._leave(executor)
        self.active = [executor for executor in listed if executor.active]
        self.leaving = {executor.id for executor in self.active} & self._told
        noticed = {executor.id for executor in self.active}.intersection(noticed)
        self.notices += len(noticed - self.noticed)
        self.noticed = noticed
        if wanted is not None:
            self._requests.wanted(wanted - len(self.staying), asked_at)

    def asked(self, executors: int, asked_at: float) -> None:
        """Spark asked for so many executors when it started."""
        self._requests.wanted(executors, asked_at)

    def spilled(self, stages: Iterable[JSON]) -> None:
        """Take in the bytes that stages spilled: ``{"stage", "attempt", "spillBytes"}`` each."""
        for stage in stages:
            self._spill.update((stage["stage"], stage["attempt"]), stage["spillBytes"])
        self._spill.settle(keep=KEPT_STAGES)

    def new_start(self, now: float) -> None:
        """Spark starts anew: its ids and counters begin again, and who was here left because we wanted it."""
        for executor in self.active:
            self._told.add(executor.id)
            self._leave(executor._replace(removed_at=now, reason="Spark was restarted"))
        for growing in [*self._sums.values(), self._spill]:
            growing.settle()
        self.active, self.leaving, self.noticed, self.startup = [], set(), set(), {}
        self._requests, self._left, self._told, self._short = Requests(), set(), set(), set()

    def totals(self) -> dict[str, float]:
        """Sums by their name in the observation; bytes and counts are whole numbers."""
        sums = {name: growing.total for name, growing in self._sums.items()}
        return {
            **{name: round(value, 3) if name.endswith("Seconds") else int(value) for name, value in sums.items()},
            "spillBytes": int(self._spill.total),
            "executorsLost": self.lost,
            "executorsNoticed": self.notices,
            "executorsOutOfMemory": self.out_of_memory,
        }

    def _leave(self, executor: Executor) -> None:
        wanted = executor.id in self._told
        out_of_memory = executor.out_of_memory or executor.id in self._short
        self._left.add(executor.id)
        self.lost += not wanted
        self.out_of_memory += out_of_memory
        entry = {
            "id": executor.id,
            "time": executor.removed_at,
            "reason": executor.reason,
            "outOfMemory": out_of_memory,
            "wanted": wanted,
        }
        self.removed = [*self.removed, entry][-KEPT_REMOVED:]


def spill_of_stages(stages: Iterable[JSON]) -> list[dict[str, int]]:
    """What ``ExecutorFigures.spilled`` takes, from Spark's StageData: only stages that spilled."""
    spilled: list[tuple[JSON, int]] = [(s, int(s["memoryBytesSpilled"]) + int(s["diskBytesSpilled"])) for s in stages]
    return [{"stage": s["stageId"], "attempt": s["attemptId"], "spillBytes": n} for s, n in spilled if n]
