"""HPA: the algorithm of Kubernetes' HorizontalPodAutoscaler on CPU utilisation.

Source: kubernetes ``pkg/controller/podautoscaler``, ``replica_calculator.go`` (``GetResourceReplicas``) and
``horizontal.go`` (``calculateScaleUpLimitWithScalingRules``), with the defaults of ``autoscaling/v2``:

- desired = ceil(ready · utilisation / target), nothing within 10 % of the target;
- pending pods count as idle when the ratio asks for more, and a change that this would reverse is not made;
- up by at most the larger of 4 pods and 100 % in 15 s;
- down to the highest recommendation of the last 300 s. This is the envelope's stabilisation, by the same algorithm over
  the same recommendations (``History.proposals``), so that a job's ``scaleDown.stabilization`` governs this rule as any
  other; ``kubernetes_limits`` sets it, and all else that the envelope would add, to what Kubernetes does.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Limits

from .base import MOST_EXECUTORS, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class HPA(Rule):
    """Memory, tier and compression stay the job's initial ones.

    target: CPU utilisation in percent. tolerance: of the ratio. up_pods, up_share: most pods to add, whichever is more,
    in period_s seconds.
    """

    NAME: ClassVar[str] = "HPA"
    NEEDS: ClassVar[tuple[str, ...]] = ("cpu", "running", "pending")
    target: int = 80
    tolerance: float = 0.1
    up_pods: int = 4
    up_share: float = 1.0
    period_s: float = 15.0

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        """Raises ObservationMissingError also when nothing runs: no pod has metrics then, and Kubernetes holds too."""
        cpu, running, pending = self.measured(evaluation.observation)
        if running < 1:
            raise ObservationMissingError(["cpu"])
        current = evaluation.history.allocation.executors
        desired = self._desired(current, cpu, int(running), int(pending))
        if desired > current:
            desired = min(desired, self._highest(job, evaluation, current))
        return replace(job.initial, executors=max(desired, 1))

    def _desired(self, current: int, cpu: float, ready: int, pending: int) -> int:
        ratio = self._ratio(cpu)
        counted = ready
        if pending and ratio > 1:
            counted = ready + pending
            ratio = self._ratio(cpu * ready / counted)
            if ratio <= 1:
                return current
        if abs(1 - ratio) <= self.tolerance:
            return current
        desired = min(math.ceil(ratio * counted), MOST_EXECUTORS)
        return current if ratio > 1 and counted != ready and desired < current else desired

    def _ratio(self, utilization: float) -> float:
        """Kubernetes compares whole percents."""
        return int(utilization) / self.target

    def _highest(self, job: Job, evaluation: Evaluation, current: int) -> int:
        """One scale-up a period. A period is taken as the nearest whole number of decision intervals."""
        if evaluation.now - evaluation.history.scaled_up < self.period_s - job.interval_s / 2:
            return current
        return max(current + self.up_pods, math.ceil(current * (1 + self.up_share)))


def kubernetes_limits(limits: Limits) -> Limits:
    """The limits with the pace of Kubernetes' default ``behavior``: only its stabilisation slows HPA down."""
    return replace(
        limits,
        stabilization_s=300.0,
        max_up_factor=math.inf,
        max_up_step=limits.max_executors,
        max_down_factor=1.0,
        cooldown_up_s=0.0,
        cooldown_down_s=0.0,
    )
