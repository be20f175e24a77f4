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

from .base import MOST_EXECUTORS, Rule, Sweep
from .parameters import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class HPA(Rule):
    """Memory, tier and compression stay the job's initial ones."""

    NAME: ClassVar[str] = "HPA"
    NEEDS: ClassVar[tuple[str, ...]] = ("cpu", "running", "pending")
    SWEEP: ClassVar[Sweep] = Sweep("target", (30, 40, 50, 60, 70, 80, 90))
    target: int = parameter(80, "%", "CPU utilisation to keep", least=1, most=100)
    tolerance: float = parameter(0.1, "share", "of the target within which nothing changes", least=0, most=1)
    up_pods: int = parameter(4, "pods", "most to add in a period, if that is more than up_share", least=0)
    up_share: float = parameter(1.0, "share", "of the pods, most to add in a period", least=0)
    period_s: float = parameter(15.0, "s", "in which it scales up once", least=0)

    def limits(self, limits: Limits) -> Limits:
        return kubernetes_limits(limits)

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
