"""From Spark's executor summaries (their JSON) to who is here, who left and why, and who may go. Pure."""

from __future__ import annotations

import re
from typing import AbstractSet, Any, Iterable, Mapping, NamedTuple, Sequence

JSON = Mapping[str, Any]

DRIVER = "driver"
RESERVED_BYTES = 300 * 2**20
"""What Spark keeps of each heap for itself (UnifiedMemoryManager)."""
MAX_REASON = 1000
_OUT_OF_MEMORY = re.compile(r"OOMKilled|OutOfMemoryError|(?:exit ?code|exited with code):? ?52\b", re.IGNORECASE)
_TASK_OUT_OF_MEMORY = re.compile(r"\bjava\.lang\.OutOfMemoryError\b")
"""Not Spark's own SparkOutOfMemoryError, which ends a task and leaves its executor alive."""


class Executor(NamedTuple):
    """One executor as Spark's status store has it. Times are epoch seconds, sizes bytes; an unknown peak is None."""

    id: str
    host: str
    active: bool
    cores: int
    registered_at: float
    removed_at: float | None
    reason: str
    active_tasks: int
    blocks: int
    memory_used: int
    disk_used: int
    shuffle_write: int
    shuffle_read: int
    input_bytes: int
    failed_tasks: int
    task_seconds: float
    gc_seconds: float
    peak_unified: int | None

    @property
    def out_of_memory(self) -> bool:
        return bool(_OUT_OF_MEMORY.search(self.reason))


def parse(summary: JSON) -> Executor:
    """Read one ExecutorSummary. Raises KeyError when it is not one."""
    peak = (summary.get("peakMemoryMetrics") or {}).get("OnHeapUnifiedMemory")
    removed = summary.get("removeTime")
    return Executor(
        id=summary["id"],
        host=_host(summary["hostPort"]),
        active=summary["isActive"],
        cores=summary["totalCores"],
        registered_at=summary["addTime"] / 1000,
        removed_at=removed / 1000 if removed else None,
        reason=" ".join((summary.get("removeReason") or "").split())[:MAX_REASON],
        active_tasks=summary["activeTasks"],
        blocks=summary["rddBlocks"],
        memory_used=summary["memoryUsed"],
        disk_used=summary["diskUsed"],
        shuffle_write=summary["totalShuffleWrite"],
        shuffle_read=summary["totalShuffleRead"],
        input_bytes=summary["totalInputBytes"],
        failed_tasks=summary["failedTasks"],
        task_seconds=summary["totalDuration"] / 1000,
        gc_seconds=summary["totalGCTime"] / 1000,
        peak_unified=peak or None,  # zero until an executor's first heartbeat
    )


def short_of_memory(tasks: Iterable[JSON]) -> set[str]:
    """Ids of the executors on which one of these tasks (Spark's TaskData) ended with an OutOfMemoryError.

    Such an executor ends itself. Where the error came wrapped in another one, as from a task that writes, its exit
    code is the one of any uncaught exception, and only the task tells what it was.
    """
    return {task["executorId"] for task in tasks if _TASK_OUT_OF_MEMORY.search(task.get("errorMessage") or "")}


def least_useful(executors: Iterable[Executor], count: int) -> list[str]:
    """The ids of ``count`` executors whose loss costs least: no running task, then least data, then the newest."""
    ranked = sorted(
        executors,
        key=lambda e: (e.active_tasks, e.blocks, e.memory_used + e.disk_used, e.shuffle_write, -e.registered_at),
    )
    return [executor.id for executor in ranked[: max(count, 0)]]


class Step(NamedTuple):
    """What to do now to come nearer to the wanted number of executors. total: what Spark shall be asked for."""

    decommission: list[str]
    kill: list[str]
    total: int


def next_step(
    active: Sequence[Executor],
    leaving: Mapping[str, float],
    wanted: int,
    now: float,
    *,
    patience: float,
    noticed: AbstractSet[str] = frozenset(),
) -> Step:
    """One step towards ``wanted`` executors, taken again each second.

    leaving: when each executor was told to go, by id. noticed: those whose pods have to end, as by a drain of their
    node: they go at once, and their replacements are asked for while they still count for Spark. An executor that was
    asked for and comes up after the number went down is here counted like any other, so it goes again. Who does not
    leave within ``patience`` seconds is killed. Fewer than one is never left.
    """
    present = {executor.id for executor in active}
    staying = [executor for executor in active if executor.id not in leaving and executor.id not in noticed]
    spare = len(staying) - max(wanted, 1)
    late = [id_ for id_, since in leaving.items() if id_ in present and now - since > patience]
    ending = [executor.id for executor in active if executor.id in noticed]
    told = [id_ for id_ in ending if id_ not in leaving]
    total = wanted + len(ending) if len(staying) < wanted else wanted
    return Step(decommission=[*told, *least_useful(staying, spare)], kill=late, total=total)


class Requests:
    """Which request each executor answers: the oldest open one, so that a start's time is known."""

    def __init__(self) -> None:
        self._open: list[float] = []
        self._seen: dict[str, float | None] = {}

    def wanted(self, missing: int, now: float) -> None:
        """So many executors are asked for and not here yet."""
        while len(self._open) < missing:
            self._open.append(now)
        del self._open[max(missing, 0) :]

    def registered(self, executor: Executor) -> float | None:
        """Seconds from request to registration, or None for one that nobody was seen to ask for."""
        if executor.id not in self._seen:
            asked = self._open.pop(0) if self._open else None
            self._seen[executor.id] = None if asked is None else max(executor.registered_at - asked, 0.0)
        return self._seen[executor.id]


def memory_percent(active: Sequence[Executor], *, heap_bytes: int | None, state_bytes: int | None) -> float | None:
    """How full the fullest executor's heap got, 0 to 100; None when no executor has told its peak yet.

    An estimate: Spark's peak of execution and storage memory, an even share of the queries' state (which Spark holds
    on the heap outside of that pool), and what Spark reserves. Objects of user code are not in it.
    """
    peaks = [executor.peak_unified for executor in active if executor.peak_unified is not None]
    if not heap_bytes or not peaks:
        return None
    used = max(peaks) + (state_bytes or 0) / len(active) + RESERVED_BYTES
    return min(100.0 * used / heap_bytes, 100.0)


def _host(host_port: str) -> str:
    return host_port.rpartition(":")[0].strip("[]")
