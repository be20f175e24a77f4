"""What Kubernetes' HorizontalPodAutoscaler does with any metric: its tolerance, its pace, its bounds.

Source: kubernetes ``pkg/controller/podautoscaler/horizontal.go`` (``calculateScaleUpLimitWithScalingRules``), with the
default ``behavior`` of ``autoscaling/v2``:

- nothing within 10 % of the target;
- up by at most the larger of 4 pods and 100 % in 15 s;
- down to the highest recommendation of the last 300 s. This is the envelope's stabilisation, by the same algorithm over
  the same recommendations (``History.proposals``), so that a job's ``scaleDown.stabilization`` governs these rules as
  any other; ``kubernetes_limits`` sets it, and all else that the envelope would add, to what Kubernetes does.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, replace

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Limits

from .base import Rule, own_pace
from .parameters import parameter

STABILIZATION_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizontal(Rule):
    """Base of the rules that scale through a HorizontalPodAutoscaler.

    Memory, tier and compression stay the job's initial ones.
    """

    tolerance: float = parameter(0.1, "share", "of the target within which nothing changes", least=0, most=1)
    up_pods: int = parameter(4, "pods", "most to add in a period, if that is more than up_share", least=0)
    up_share: float = parameter(1.0, "share", "of the pods, most to add in a period", least=0)
    period_s: float = parameter(15.0, "s", "in which it scales up once", least=0)

    def limits(self, limits: Limits) -> Limits:
        return kubernetes_limits(limits)

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        desired, current = self.desired(evaluation), evaluation.history.allocation.executors
        if desired > current:
            desired = min(desired, self._highest(job, evaluation, current))
        return replace(job.initial, executors=max(desired, 1))

    @abstractmethod
    def desired(self, evaluation: Evaluation) -> int:
        """What the metric asks for, before the pace. Raises ObservationMissingError when it was not measured."""

    def tolerates(self, ratio: float) -> bool:
        """Whether a ratio of metric to target is near enough to 1."""
        return abs(1 - ratio) <= self.tolerance

    def _highest(self, job: Job, evaluation: Evaluation, current: int) -> int:
        """One scale-up a period. A period is taken as the nearest whole number of decision intervals."""
        if evaluation.now - evaluation.history.scaled_up < self.period_s - job.interval_s / 2:
            return current
        return max(current + self.up_pods, math.ceil(current * (1 + self.up_share)))


def kubernetes_limits(limits: Limits) -> Limits:
    """The limits with the pace of Kubernetes' default ``behavior``: only its stabilisation slows a rule down."""
    return own_pace(limits, stabilization_s=STABILIZATION_S)
