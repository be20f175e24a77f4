"""HPA: the algorithm of Kubernetes' HorizontalPodAutoscaler on CPU utilisation.

Source: kubernetes ``pkg/controller/podautoscaler/replica_calculator.go`` (``GetResourceReplicas``):

- desired = ceil(ready · utilisation / target), nothing within 10 % of the target;
- pending pods count as idle when the ratio asks for more, and a change that this would reverse is not made.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.evaluation import Evaluation

from .base import MOST_EXECUTORS, Sweep
from .horizontal import Horizontal
from .parameters import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class HPA(Horizontal):
    """Its pace and its bounds are those of Horizontal."""

    NAME: ClassVar[str] = "HPA"
    NEEDS: ClassVar[tuple[str, ...]] = ("cpu", "running", "pending")
    SWEEP: ClassVar[Sweep] = Sweep("target", (30, 40, 50, 55, 60, 65, 70, 80, 90))
    target: int = parameter(80, "%", "CPU utilisation to keep", least=1, most=100)

    def desired(self, evaluation: Evaluation) -> int:
        """Raises ObservationMissingError also when nothing runs: no pod has metrics then, and Kubernetes holds too."""
        cpu, running, pods_pending = self.measured(evaluation.observation)
        if running < 1:
            raise ObservationMissingError(["cpu"])
        current, ready, pending = evaluation.history.allocation.executors, int(running), int(pods_pending)
        ratio, counted = self._ratio(cpu), ready
        if pending and ratio > 1:
            counted = ready + pending
            ratio = self._ratio(cpu * ready / counted)
            if ratio <= 1:
                return current
        if self.tolerates(ratio):
            return current
        desired = min(math.ceil(ratio * counted), MOST_EXECUTORS)
        return current if ratio > 1 and counted != ready and desired < current else desired

    def _ratio(self, utilization: float) -> float:
        """Kubernetes compares whole percents."""
        return int(utilization) / self.target
