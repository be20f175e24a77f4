"""Slots: keeps task slots at a target utilisation and drains the queue of tasks, as managed streaming services do.

Databricks names the two metrics of its enhanced autoscaling, task slot utilisation and task queue size, and that it
takes away executors which are under-utilised rather than idle; it publishes no thresholds. They are taken from where a
managed service does publish them:

- metrics: Databricks, "Optimize the cluster utilization of pipelines with enhanced autoscaling" (section "Which metrics
  does enhanced autoscaling use to make a scale-up or scale-down decision?");
- pace: Databricks, "Compute configuration reference" (section "How autoscaling behaves", optimized autoscaling of job
  compute): from minimum to maximum in two steps, down when under-utilised for 40 s;
- target and queue: Google, "Deploying a pipeline", the edition that still gives numbers for Dataflow's streaming
  autoscaling: 75 % utilisation, a backlog cleared in about 150 s.

    wanted = (busy slots + queued work / clear_s) / utilization

What is derived: busy slots are the work that arrives a second, workload rate over capacity, but never more than there
are: a utilisation of 100 % does not tell how much is missing, only the queue does. Queued is the backlog beyond what
arrives between two triggers; its work, in executor-seconds, is its messages over capacity.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Limits

from .base import Rule, Sweep, own_pace, whole
from .parameters import parameter
from .rate import lag


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots(Rule):
    """An executor is one slot. Memory, tier and compression stay the job's initial ones."""

    NAME: ClassVar[str] = "Slots"
    NEEDS: ClassVar[tuple[str, ...]] = ("workload_rate", "capacity", "backlog", "running")
    SWEEP: ClassVar[Sweep] = Sweep("utilization", (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0))
    utilization: float = parameter(0.75, "share", "of the slots that shall be busy", above=0, most=1)
    clear_s: float = parameter(150.0, "s", "in which the queue shall be gone", above=0)
    window_s: float = parameter(40.0, "s", "without need after which executors go", least=0)
    steps: int = parameter(2, "steps", "from the job's least to its most executors", least=1)

    def limits(self, limits: Limits) -> Limits:
        step = math.ceil((limits.max_executors - limits.min_executors) / self.steps)
        return replace(own_pace(limits, stabilization_s=self.window_s), max_up_step=max(step, 1))

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        """Raises ObservationMissingError also when nothing runs: without slots there is nothing to measure."""
        observation = evaluation.observation
        rate, gross, backlog, running = self.measured(observation)
        if running < 1:
            raise ObservationMissingError(["running"])
        capacity = evaluation.net_capacity or gross
        if capacity <= 0:
            raise ObservationMissingError(["capacity"])
        busy = min(rate / capacity, running)
        queued = lag(observation, backlog) / capacity / self.clear_s
        return replace(job.initial, executors=whole((busy + queued) / self.utilization))
