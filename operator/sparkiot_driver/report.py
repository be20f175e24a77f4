"""Everything that is known of the job, put together for the observation. One lock; the clock is an argument."""

from __future__ import annotations

import threading
from typing import Any, Callable, Mapping

from sparkiot_driver import executors as reading
from sparkiot_driver import progress
from sparkiot_driver.executors import Executor
from sparkiot_driver.figures import ExecutorFigures
from sparkiot_driver.keeper import Keeper
from sparkiot_driver.queries import Queries
from sparkiot_driver.tiered import TieredShuffle

Message = Mapping[str, Any]


class Report:
    """Takes in the runner's messages, answers with the observation."""

    def __init__(self, keeper: Keeper, incarnation: str) -> None:
        self.lock = threading.RLock()
        self.keeper = keeper
        self.state = "Starting"
        self.message: str | None = None
        self.failure: tuple[str, str] | None = None
        self.had_query = False
        """Whether a query has run since Spark's latest start."""
        self.restart_cost: float | None = None
        self._incarnation = incarnation
        self._now = 0.0  # the time of the message that is being taken in
        self._queries = Queries()
        self._figures = ExecutorFigures()
        self._shuffle = TieredShuffle()
        self._tier_checks: list[dict[str, Any]] = []
        self._figures_at: float | None = None
        self._heap_bytes: int | None = None
        self._context: dict[str, Any] = {}
        self._agent_cpu = 0.0
        self._agent_cpu_before = 0.0
        self._outage_from: float | None = None
        self._stopped: Message | None = None
        self._handlers: dict[str, Callable[[Message], None]] = {
            "context": self._context_came,
            "started": self._query_started,
            "progress": self._progressed,
            "idle": self._idle,
            "terminated": self._terminated,
            "executors": self._executors,
            "shuffle": self._shuffled,
            "queriesStopped": self._queries_stopped,
            "failed": self._failed,
        }

    def take(self, message: Message, now: float) -> None:
        """One message of the runner. Raises KeyError for one that is malformed."""
        handler = self._handlers.get(message["type"])
        if handler is not None:
            with self.lock:
                self._now = now
                handler(message)

    def start(self, *, heap_bytes: int, restart: bool, now: float) -> None:
        """A new Spark starts."""
        with self.lock:
            self._queries.new_start()
            self._figures.new_start(now)
            self._heap_bytes, self._context, self._figures_at = heap_bytes, {}, None
            self._agent_cpu_before, self._agent_cpu = self._agent_cpu_before + self._agent_cpu, 0.0
            self.failure, self.had_query = None, False
            self.state = "Restarting" if restart else "Starting"
            self._outage_from, self._stopped = self._outage_begin() if restart else None, None

    @property
    def has_active_query(self) -> bool:
        with self.lock:
            return bool(self._queries.active)

    @property
    def recovered(self) -> bool:
        """Whether queries run again as they did before the latest restart."""
        with self.lock:
            return self.had_query and self._outage_from is None

    @property
    def newest_loss(self) -> str | None:
        """Why the newest executor that nobody sent away was lost; None when there was none."""
        with self.lock:
            return next((r["reason"] for r in reversed(self._figures.removed) if not r["wanted"]), None)

    def observation(self, after: int, now: float, *, own_cpu: float, rss_bytes: int | None) -> dict[str, Any]:
        """The body of ``GET /v1/observation``. own_cpu: seconds of this process; rss_bytes: its resident memory."""
        with self.lock:
            figures = self._figures
            wanted = self.keeper.desired.executors
            return {
                "time": now,
                "incarnation": self._incarnation,
                "state": self.state,
                "message": self.message,
                "sparkVersion": self._context.get("sparkVersion"),
                "applicationId": self._context.get("applicationId"),
                "startedAt": self._context.get("startedAt"),
                "figuresAt": self._figures_at,
                "queries": [query.to_wire(now) for query in self._queries.by_id.values()],
                "batches": self._queries.batches_after(after),
                "totals": {
                    "rows": self._queries.rows,
                    "batches": self._queries.batches,
                    "failedBatches": self._queries.failed,
                    "arrivedUntil": self._queries.arrived_until,
                    **figures.totals(),
                },
                "executors": {
                    "wanted": wanted,
                    "running": len(figures.active),
                    "pending": max(wanted - len(figures.staying), 0),
                    "ending": len(figures.noticed),
                    "cores": min((executor.cores for executor in figures.active), default=None),
                    "list": [self._listed(executor) for executor in figures.active],
                    "removed": figures.removed,
                },
                "memoryPercent": reading.memory_percent(
                    figures.active, heap_bytes=self._heap_bytes, state_bytes=self._queries.state_bytes
                ),
                "startupSeconds": figures.newest_startup,
                "restartCostSeconds": self.restart_cost,
                "desired": self.keeper.desired.to_wire(),
                "applied": self.keeper.applied,
                "shuffle": self._shuffle.to_wire(),
                "tierChecks": self._tier_checks,
                "runtime": {
                    "cpuSeconds": round(own_cpu + self._agent_cpu_before + self._agent_cpu, 3),
                    "rssBytes": rss_bytes,
                },
            }

    def _listed(self, executor: Executor) -> dict[str, Any]:
        startup = self._figures.startup.get(executor.id)
        return {
            "id": executor.id,
            "host": executor.host,
            "registeredAt": executor.registered_at,
            "startupSeconds": None if startup is None else round(startup, 3),
            "activeTasks": executor.active_tasks,
        }

    def _context_came(self, message: Message) -> None:
        if self._context:  # the user's file stopped one context and made another
            self._figures.new_start(self._now)
        self._context = dict(message)
        self._figures.asked(self.keeper.started.executors, message["startedAt"])

    def _query_started(self, message: Message) -> None:
        self._queries.started(message)
        self.had_query = True
        if self.state == "Starting":
            self.state = "Running"

    def _progressed(self, message: Message) -> None:
        read = progress.parse(message["progress"])
        self._queries.progressed(read)
        self._recovered(read.end)

    def _idle(self, message: Message) -> None:
        self._queries.idle(message)
        started = self._queries.by_id[message["id"]].started_at
        self._recovered(self._now if started is None else started)

    def _recovered(self, end: float) -> None:
        """The outage of a restart ends when each query has finished a batch, or found that none is due."""
        if self._outage_from is not None and self._queries.active and not any(q.fresh for q in self._queries.active):
            self.restart_cost = round(max(end - self._outage_from, 0.0), 3)
            self._outage_from = None
            self.state = "Running"
            self._settle()

    def _terminated(self, message: Message) -> None:
        self._queries.terminated(message)

    def _executors(self, message: Message) -> None:
        self._agent_cpu, self._figures_at = message["cpuSeconds"], message["time"]
        self._figures.update(
            [Executor(*row) for row in message["executors"]],
            told=message["told"],
            wanted=message["wanted"],
            asked_at=message["askedAt"],
            short_of_memory=message["shortOfMemory"],
            noticed=message["noticed"],
        )
        self._figures.spilled(message.get("spills", []))
        self._queries.running(message["triggers"], self._now)
        if message["wanted"] == self.keeper.desired.executors:
            self._settle()

    def _shuffled(self, message: Message) -> None:
        self._shuffle.take(message)
        if self._shuffle.newest is not None:
            self.keeper.shuffled(*self._shuffle.newest)

    def checked(self, tiers: list[dict[str, Any]]) -> None:
        """Take in what a check of the shuffle tiers found, as the observation has it."""
        with self.lock:
            self._tier_checks = tiers

    def _settle(self) -> None:
        self.keeper.settle(
            staying=len(self._figures.staying),
            leaving=len(self._figures.leaving),
            now=self._now,
            startup=self._figures.newest_startup,
            restart_cost=None if self._outage_from is not None else self.restart_cost,
        )

    def _queries_stopped(self, message: Message) -> None:
        self._stopped = message

    def _outage_begin(self) -> float | None:
        """When the last batch before a stop ended; None when there was none."""
        last = self._queries.last_end
        if last is None or self._stopped is None or not self._stopped["idle"]:
            return last
        # The queries were between two triggers: nothing was late until the next one was due.
        interval = max((query.interval or 0.0 for query in self._queries.by_id.values()), default=0.0)
        stopped_at: float = self._stopped["time"]
        return max(last, stopped_at - interval)

    def _failed(self, message: Message) -> None:
        self.failure = (message["reason"], message["message"])
