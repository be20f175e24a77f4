"""What the page shows: the cluster's jobs as they were last read, what is wrong when they cannot be, and timelines."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sparkiot_operator.errors import ApiError, ApiNotFoundError
from sparkiot_operator.events import JobRef

from .jobs import JobView, view
from .samples import Timelines
from .watching import look

KEEP_S = 2.0
"""How long a list of jobs serves every browser that asks."""


class BoardApi(Protocol):
    """Reads of the Kubernetes API; each raises ApiError. ``kube.KubeApi`` is the real one."""

    async def list_jobs(self, namespace: str | None) -> list[dict[str, Any]]: ...

    async def list_events(self, namespace: str, name: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing newer can be shown. since: real time, epoch seconds. advice: what to do, if anything."""

    message: str
    since: float
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """jobs: by namespace and name; None before they could be read once. time: when they were, epoch seconds."""

    jobs: tuple[JobView, ...] | None = None
    time: float | None = None
    problem: Problem | None = None

    def find(self, namespace: str, name: str) -> JobView | None:
        found = (j for j in self.jobs or () if (j.ref.namespace, j.ref.name) == (namespace, name))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class History:
    """Where the timelines come from. watched: from statuses, which hold neither load nor forecast."""

    text: str
    watched: bool = False


class Board:
    """namespaces: to read jobs from; None stands for all. standby: why this process has no timelines, if so.

    clock: real time, epoch seconds.
    """

    def __init__(
        self,
        api: BoardApi,
        *,
        namespaces: Sequence[str | None],
        timelines: Timelines,
        history: History,
        clock: Callable[[], float],
        standby: Callable[[], bool] = lambda: False,
    ) -> None:
        self._api = api
        self._namespaces = namespaces
        self._lock = asyncio.Lock()
        self._asked = -KEEP_S
        self._snapshot = Snapshot()
        self.timelines = timelines
        self.history = history
        self.clock = clock
        self.standby = standby

    async def snapshot(self) -> Snapshot:
        """The jobs, read anew where that is due. What is wrong stands in it; the last jobs stay beside it."""
        async with self._lock:
            now = self.clock()
            if abs(now - self._asked) >= KEEP_S:
                self._snapshot = await self._read(now)
                self._asked = self.clock()
            return self._snapshot

    async def events(self, ref: JobRef) -> tuple[list[dict[str, Any]], str | None]:
        """A job's events, newest first, or why they cannot be read. An API server that is away is not asked."""
        if self._snapshot.problem is not None:
            return [], self._snapshot.problem.message
        try:
            found = await self._api.list_events(ref.namespace, ref.name)
        except ApiError as error:
            return [], str(error)
        return [e for e in reversed(found) if e.get("involvedObject", {}).get("uid") in (ref.uid, None)], None

    async def _read(self, now: float) -> Snapshot:
        last = self._snapshot
        try:
            found = [item for namespace in self._namespaces for item in await self._api.list_jobs(namespace)]
        except ApiNotFoundError as error:
            return self._failed(last, now, str(error), "The CRD is not installed: kubectl apply -f crds/")
        except ApiError as error:
            return self._failed(last, now, str(error), "")
        jobs = tuple(sorted(map(view, found), key=lambda job: (job.ref.namespace, job.ref.name)))
        self.timelines.keep([job.ref for job in jobs])
        if self.history.watched:
            for job in jobs:
                look(self.timelines.timeline(job.ref), job, now=now)
        return Snapshot(jobs, now)

    def _failed(self, last: Snapshot, now: float, message: str, advice: str) -> Snapshot:
        since = last.problem.since if last.problem else now
        return Snapshot(last.jobs, last.time, Problem(message, since, advice))
