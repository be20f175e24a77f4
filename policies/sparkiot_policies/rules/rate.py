"""Rate: as many executors as the measured true processing rate says the load needs.

Batches have a fixed cost that no executor shares; capacity is taken net of it as soon as it is known (``BatchCost``).

Sources: DS2 ("Three steps is all you need", Kalavri et al., OSDI 2018) for the true processing rate, which counts only
busy time and so is known from one measurement at any utilisation; Apache Flink's autoscaler (``JobVertexScaler``,
``AutoScalerUtils.getTargetProcessingCapacity``) for the utilisation target with its band, the catch-up of a backlog and
the largest scale-down.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.observation import Observation

from .base import Rule, Sweep, whole
from .parameters import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate(Rule):
    """Keeps executors at a target utilisation; memory, tier and compression stay the job's initial ones.

    Flink's defaults are 0.7, 0.3 and 30 minutes. Here a batch also waits for its trigger and must meet a latency
    objective: on the example jobs 0.7 lost up to 30 points of attainment, 0.6 with a narrow band at most 1.
    """

    NAME: ClassVar[str] = "Rate"
    NEEDS: ClassVar[tuple[str, ...]] = ("workload_rate", "capacity", "backlog")
    SWEEP: ClassVar[Sweep] = Sweep("utilization", (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0))
    utilization: float = parameter(0.6, "share", "of the time that executors shall be busy", above=0, most=1)
    boundary: float = parameter(0.1, "share", "of the time within which of utilization nothing changes", least=0)
    catch_up_s: float = parameter(60.0, "s", "in which a backlog shall be gone", above=0)
    max_down: float = parameter(0.6, "share", "of the executors, most to remove at once", above=0, most=1)

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if self.boundary >= self.utilization:
            raise ValueError(f"boundary {self.boundary:g} must be below utilization, which is {self.utilization:g}")

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        """The allocation in force already counts pending executors, so what is on its way is not asked for twice."""
        observation, current = evaluation.observation, evaluation.history.allocation.executors
        _, gross, backlog = self.measured(observation)[:3]
        capacity = evaluation.net_capacity or gross
        if capacity <= 0:
            raise ObservationMissingError(["capacity"])
        rate = self.rate(observation)
        catch_up = _excess(observation, backlog) / self.catch_up_s

        def executors(utilization: float) -> float:
            return (rate / utilization + catch_up) / capacity

        most = executors(self.utilization - self.boundary)
        least = executors(min(self.utilization + self.boundary, 1.0))  # nothing is busy for more than all the time
        if least <= current <= most:
            return replace(job.initial, executors=current)
        lowest = whole(current * (1 - self.max_down))
        return replace(job.initial, executors=max(whole(executors(self.utilization)), lowest))

    def rate(self, observation: Observation) -> float:
        """The messages/s to provide for."""
        return self.measured(observation)[0]


def _excess(observation: Observation, backlog: float) -> float:
    """The backlog beyond what arrives between two triggers, which is no lag but how micro-batches work.

    With an unknown trigger interval all of it counts, so that an error costs executors, not latency.
    """
    expected = (observation.workload_rate or 0.0) * (observation.trigger_interval or 0.0)
    return max(backlog - expected, 0.0)
