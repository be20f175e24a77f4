"""DynamicAllocation: what Spark's own dynamic allocation does with a stream of micro-batches.

Source: Spark 3.5, ``core/src/main/scala/org/apache/spark/ExecutorAllocationManager.scala`` (``addExecutors``,
``updateAndSyncNumExecutorsTarget``) and ``scheduler/dynalloc/ExecutorMonitor.scala``; parameters are named after
``spark.dynamicAllocation.*``:

- tasks that have waited for a slot for ``backlog_timeout_s`` add 1 executor, and for each further
  ``sustained_timeout_s`` 2, 4, 8 …, until no task waits;
- never more than the tasks of a stage can use: ceil(tasks · ratio / cores);
- an executor that ran no task for ``idle_timeout_s`` goes.

It knows tasks, not streams. Each batch begins the ramp anew from the executors that are registered: those on their way
were asked for by an earlier batch, whose target ended with its last task. Within a batch, tasks run in waves of as many
as there are slots, and wait until the last wave begins. Between two batches executors idle for less than a trigger
interval, so none goes as long as data arrives and a stage has tasks for all: a stream that is fed always keeps what its
worst minute asked for. A version that understands micro-batches was proposed and not merged (SPARK-24815).

What is derived: how long tasks waited follows from the duration of the last batch, and from the longer one that the
backlog will make where capacity is known; one stage a batch is taken for all, and the ramp of a batch for done when it
has scaled up since that batch could have begun. After a target that fell below what is registered, Spark's ramp repeats
its first step; here it is 1-2-4-8 always.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Limits
from sparkiot_policies.observation import Observation

from .base import MOST_EXECUTORS, Rule, Sweep, own_pace
from .parameters import parameter

MOST_STEPS = MOST_EXECUTORS.bit_length()
"""Steps of the ramp after which it has asked for more than any proposal names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicAllocation(Rule):
    """Memory, tier and compression stay the job's initial ones."""

    NAME: ClassVar[str] = "DynamicAllocation"
    NEEDS: ClassVar[tuple[str, ...]] = ("workload_rate", "backlog", "batch_duration", "trigger_interval", "running")
    SWEEP: ClassVar[Sweep] = Sweep("min_executors", (1, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20))
    min_executors: int = parameter(1, "executors", "minExecutors", least=1, most=MOST_EXECUTORS)
    backlog_timeout_s: float = parameter(1.0, "s", "schedulerBacklogTimeout: tasks wait for the first step", above=0)
    sustained_timeout_s: float = parameter(1.0, "s", "sustainedSchedulerBacklogTimeout: for each step more", above=0)
    idle_timeout_s: float = parameter(60.0, "s", "executorIdleTimeout: an executor goes without a task", above=0)
    ratio: float = parameter(1.0, "share", "executorAllocationRatio: of the tasks, to run at once", above=0, most=1)
    tasks: int = parameter(200, "tasks", "of a stage; the default of spark.sql.shuffle.partitions", least=1)
    cores: int = parameter(1, "slots", "spark.executor.cores over spark.task.cpus", least=1)

    def limits(self, limits: Limits) -> Limits:
        """Only the idle time-out, which looks back as far as a stabilisation does, slows it down."""
        return own_pace(limits, stabilization_s=self.idle_timeout_s)

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        rate, backlog, duration, trigger, running = self.measured(evaluation.observation)
        current = evaluation.history.allocation.executors
        cycle = max(trigger, duration)
        if (rate == 0 and backlog == 0) or cycle - duration >= self.idle_timeout_s:
            executors = self.min_executors
        else:
            executors = min(current, math.ceil(self.tasks / self.cores))  # what tasks do not reach idles
        if evaluation.now - evaluation.history.scaled_up >= cycle - job.interval_s / 2:
            executors = max(executors, self._ramped(evaluation.observation, duration, int(running)))
        return replace(job.initial, executors=max(executors, self.min_executors))

    def _ramped(self, observation: Observation, duration: float, running: int) -> int:
        """How many the ramp of one batch asks for."""
        running = max(running, 1)
        work = observation.backlog_work or 0.0
        waves = math.ceil(self.tasks / (self.cores * running))
        waiting = max(duration, work / running) * (1 - 1 / waves) if waves > 1 else 0.0
        if waiting < self.backlog_timeout_s:
            return 0
        steps = 1 + math.floor(min((waiting - self.backlog_timeout_s) / self.sustained_timeout_s, MOST_STEPS))
        usable = math.ceil(self.tasks * self.ratio / self.cores)
        return min(running + (1 << steps) - 1, usable, MOST_EXECUTORS)
