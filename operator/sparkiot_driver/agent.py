"""The runtime's part inside Spark: reports what happens, moves executors towards the wanted number, stops on demand."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from pyspark import SparkContext

from sparkiot_driver import executors as planning
from sparkiot_driver.channel import Channel
from sparkiot_driver.figures import spill_of_stages
from sparkiot_driver.sessions import Sessions, hold_waiters
from sparkiot_driver.shuffle.link import LINK, Wanted
from sparkiot_driver.spark_control import SparkControl, batch_runs, checkpoint, trigger_seconds

TICK_SECONDS = 1.0
STAGES_EVERY = 10
"""Ticks from one look at the stages to the next: their listing is long."""
PATIENCE_SECONDS = 60.0
"""How long an executor may take to leave gracefully."""
SPARK_STOP_SECONDS = 15.0


class Agent:
    """Runs in a thread of its own beside the user's main thread."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sessions = Sessions(
            {
                "started": self._started,
                "progress": self._progressed,
                "idle": self._idle,
                "terminated": self._terminated,
            }
        )
        self.stopping = threading.Event()
        self._wake = threading.Event()
        self._wanted: int | None = None
        self._grace: float | None = None
        self._control: SparkControl | None = None
        self._sent: int | None = None
        self._leaving: dict[str, float] = {}
        self._told: set[str] = set()
        self._notice: tuple[str, set[str]] = ("", set())
        self._noticed: set[str] = set()
        self._failed_tasks = 0
        self._short: set[str] = set()
        self._progress_count: dict[str, int] = {}
        self._ticks = 0
        self._thread_cpu: dict[int, float] = {}

    def start(self) -> None:
        LINK.report = self._channel.send
        self._sessions.watch()
        hold_waiters(self.stopping)
        for target in (self._read, self._run):
            threading.Thread(target=target, name="sparkiot" + target.__name__, daemon=True).start()

    @staticmethod
    def wait() -> None:
        """Let the user's thread rest while the process is being stopped, which ends it."""
        threading.Event().wait()

    def _read(self) -> None:
        for message in self._channel.messages():
            if message["type"] == "target":
                self._wanted = message["executors"]
                LINK.wanted = Wanted(message["tier"], message["compression"])
            elif message["type"] == "notice":
                self._notice = (message["applicationId"], set(message["executors"]))
            elif message["type"] == "stop":
                self._grace = message["graceSeconds"]
                self.stopping.set()
            self._wake.set()
        os._exit(1)  # without its supervisor nobody may steer this Spark

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 - py4j raises many kinds while a context stops
                self._trouble(error)
                self._control = None
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()
        self._stop(self._grace or 0.0)

    def _tick(self) -> None:
        control = self._connect()
        if control is None:
            return
        now, wanted = time.time(), self._wanted
        listed = [planning.parse(summary) for summary in control.executors()]
        active = [e for e in listed if e.active and e.id != planning.DRIVER]
        asked_at = now if wanted is None else self._steer(control, wanted, active, now)
        self._ticks += 1
        self._account()
        message: dict[str, Any] = {
            "type": "executors",
            "time": now,
            "executors": [list(executor) for executor in listed],
            "told": sorted(self._told),
            "noticed": sorted(self._noticed),
            "shortOfMemory": self._short_of_memory(control, listed),
            "wanted": wanted,
            "askedAt": asked_at,
            "triggers": {id_: batch_runs(query) for id_, query in self._sessions.active_queries().items()},
            "cpuSeconds": sum(tuple(self._thread_cpu.values())),
        }
        if self._ticks % STAGES_EVERY == 1:
            message["spills"] = spill_of_stages(control.stages())
        self._channel.send(message)

    def _steer(self, control: SparkControl, wanted: int, active: list[planning.Executor], now: float) -> float:
        """One step towards the wanted number; when the executors that are missing were asked for."""
        present = {executor.id for executor in active}
        self._leaving = {id_: since for id_, since in self._leaving.items() if id_ in present}
        application, ending = self._notice
        if application == control.context.applicationId:  # ids begin again with each application
            self._noticed |= ending - self._told
        step = planning.next_step(active, self._leaving, wanted, now, patience=PATIENCE_SECONDS, noticed=self._noticed)
        changed = self._sent != step.total
        if changed:
            control.request_total(step.total)
            self._sent = step.total
            now = time.time()
        for id_ in step.decommission:
            self._told.add(id_)
            self._leaving[id_] = now
            control.decommission(id_)
        for id_ in step.kill:
            control.kill(id_)
            self._leaving[id_] = now
        if step.decommission or step.kill:
            control.request_total(step.total)  # whatever Spark made of its target meanwhile
        return now

    def _short_of_memory(self, control: SparkControl, listed: list[planning.Executor]) -> list[str]:
        """Executors that a task ended for want of memory; tasks are looked at only when more of them have failed."""
        failed = sum(executor.failed_tasks for executor in listed)
        more, self._failed_tasks = failed > self._failed_tasks, failed
        if more:
            try:
                self._short |= planning.short_of_memory(control.tasks_of_failing_stages())
            except Exception as error:  # noqa: BLE001 - py4j raises many kinds; executors are steered without it too
                self._trouble(error)
        return sorted(self._short)

    def _trouble(self, error: Exception) -> None:
        self._channel.send({"type": "trouble", "message": f"{type(error).__name__}: {error}"[:500]})

    def _connect(self) -> SparkControl | None:
        """The context that runs now; a new one is reported."""
        context = SparkContext._active_spark_context  # noqa: SLF001 - getOrCreate would make one
        if context is None or getattr(context, "_jsc", None) is None:  # it is being made, or was stopped
            self._control = None
            return None
        if self._control is None or self._control.context is not context:
            self._control = SparkControl(context)
            self._sent, self._leaving, self._told, self._noticed = None, {}, set(), set()
            self._failed_tasks, self._short = 0, set()
            self._channel.send(
                {
                    "type": "context",
                    "applicationId": context.applicationId,
                    "sparkVersion": context.version,
                    "startedAt": context.startTime / 1000,
                }
            )
        return self._control

    def _started(self, event: Any) -> None:
        id_ = str(event.id)
        query = self._sessions.active_queries().get(id_)
        message: dict[str, Any] = {"type": "started", "id": id_, "runId": str(event.runId), "name": event.name}
        if query is not None:
            message.update(triggerSeconds=trigger_seconds(query), checkpoint=checkpoint(query))
        self._channel.send({**message, "time": time.time()})

    def _progressed(self, event: Any) -> None:
        id_ = str(event.progress.id)
        self._progress_count[id_] = self._progress_count.get(id_, 0) + 1
        self._channel.send({"type": "progress", "progress": json.loads(event.progress.json)})
        self._account()

    def _idle(self, event: Any) -> None:
        self._channel.send({"type": "idle", "id": str(event.id), "time": time.time()})
        self._account()

    def _terminated(self, event: Any) -> None:
        message = {"type": "terminated", "id": str(event.id), "runId": str(event.runId), "exception": event.exception}
        self._channel.send(message)

    def _account(self) -> None:
        """The calling thread, the agent's or the one of Spark's listener, works for us alone."""
        self._thread_cpu[threading.get_ident()] = time.thread_time()

    def _stop(self, grace: float) -> None:
        """Stop all queries, each after its present batch, then Spark, then this process; each step is bounded."""
        queries = self._sessions.active_queries() if self._connect() else {}
        seen = dict(self._progress_count)
        idle = not any(_safely(batch_runs, query) for query in queries.values())
        deadline = time.time() + grace
        stops: list[threading.Thread] = []
        while queries:
            for id_, query in list(queries.items()):
                at_boundary = self._progress_count.get(id_) != seen.get(id_) or not _safely(batch_runs, query)
                if at_boundary or time.time() > deadline:
                    del queries[id_]
                    stops.append(threading.Thread(target=_safely, args=(query.stop,)))
                    stops[-1].start()
            time.sleep(0.02)
        for thread in stops:
            thread.join(max(deadline - time.time(), 0) + SPARK_STOP_SECONDS)
        for end in LINK.at_end:
            _safely(end)
        self._channel.send({"type": "queriesStopped", "time": time.time(), "idle": idle})
        if self._control is not None:
            last = threading.Thread(target=_safely, args=(self._control.stop,), daemon=True)
            last.start()
            last.join(SPARK_STOP_SECONDS)
        self._channel.send({"type": "stopped"})
        os._exit(0)


def _safely(function: Any, *args: Any) -> Any:
    """What a function of a JVM that is stopping returns; None when it is gone already."""
    try:
        return function(*args)
    except Exception:  # noqa: BLE001 - py4j raises many kinds, and all mean that it is gone
        return None
