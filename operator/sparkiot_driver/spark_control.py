"""What the runtime does to a running SparkContext: read its figures, move its executors, end it. Inside Spark only.

These are internals of Spark that pyspark has no words for; the same on Spark 3.5 and 4.2.
"""

# ruff: noqa: SLF001 - pyspark offers no other way to its JVM
from __future__ import annotations

import json
from typing import Any

TASKS_OF_STAGE = 1000


class SparkControl:
    """One SparkContext. Each method is one or two round trips to the JVM; py4j's errors pass through."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self._jvm = context._jvm
        self._scala = context._jsc.sc()
        self._backend = self._scala.schedulerBackend()
        self._mapper = self._jvm.com.fasterxml.jackson.databind.ObjectMapper()
        self._mapper.registerModule(self._jvm.com.fasterxml.jackson.module.scala.DefaultScalaModule())
        self._no_doubles = context._gateway.new_array(self._jvm.double, 0)

    @property
    def stopped(self) -> bool:
        return bool(self._scala.isStopped())

    def executors(self) -> list[dict[str, Any]]:
        """Spark's ExecutorSummary of all executors, dead ones and the driver included."""
        summaries: list[dict[str, Any]] = self._json(self._scala.statusStore().executorList(False))
        return summaries

    def stages(self) -> list[dict[str, Any]]:
        """Spark's StageData of the stages that it retains."""
        store = self._scala.statusStore()
        stages: list[dict[str, Any]] = self._json(store.stageList(None, False, False, self._no_doubles, None))
        return stages

    def tasks_of_failing_stages(self) -> list[dict[str, Any]]:
        """Spark's TaskData of the retained stages in which a task failed, the newest tasks of each."""
        store = self._scala.statusStore()
        failing = [stage for stage in self.stages() if stage["numFailedTasks"]]
        listed = [store.taskList(stage["stageId"], stage["attemptId"], TASKS_OF_STAGE) for stage in failing]
        return [task for tasks in listed for task in self._json(tasks)]

    def request_total(self, count: int) -> None:
        """Tell Spark how many executors there shall be. A lower number ends none."""
        self._scala.requestTotalExecutors(count, 0, self._jvm.scala.collection.immutable.HashMap())

    def decommission(self, executor: str) -> None:
        """Have an executor finish its tasks, hand over its blocks and go. Spark's target stays as requested."""
        info = self._jvm.org.apache.spark.scheduler.ExecutorDecommissionInfo(
            "no longer wanted", self._jvm.scala.Option.apply(None)
        )
        self._backend.decommissionExecutor(executor, info, False, False)

    def kill(self, executor: str) -> None:
        """End an executor at once; its tasks run again elsewhere. Spark's target stays as requested."""
        ids = self._jvm.PythonUtils.toSeq([executor])
        self._backend.killExecutors(ids, False, False, True)

    def stop(self) -> None:
        self.context._jsc.stop()

    def _json(self, value: Any) -> Any:
        return json.loads(self._mapper.writeValueAsString(value))


def trigger_seconds(jquery: Any) -> float | None:
    """A query's trigger interval; 0 for one that never waits, None for one that runs once."""
    trigger = jquery.streamingQuery().trigger()
    if not trigger.getClass().getSimpleName().startswith(("ProcessingTime", "Continuous")):
        return None
    return float(trigger.intervalMs()) / 1000


def checkpoint(jquery: Any) -> str:
    return str(jquery.streamingQuery().resolvedCheckpointRoot())


def batch_runs(jquery: Any) -> bool:
    """Whether a query works on a batch now; looking for data in vain is not working."""
    status = json.loads(jquery.status().json())
    return bool(status["isTriggerActive"] and status["isDataAvailable"])
