"""KEDA: so many messages of lag an executor, as KEDA's scalers for Kafka and its like ask of Kubernetes.

KEDA does not scale a running workload itself: it feeds the lag to a HorizontalPodAutoscaler as an external metric with
an average value, and decides alone only between zero and one.

Sources: KEDA ``pkg/scalers/kafka_scaler.go`` (``lagThreshold``, 10 by default, and ``activationLagThreshold``, 0) and
``pkg/scaling/executor/scale_scaledobjects.go`` (activation and cool-down); kubernetes
``pkg/controller/podautoscaler/replica_calculator.go`` (``GetExternalPerPodMetricReplicas``):

- desired = ceil(lag / threshold), where lag over threshold · executors leaves the tolerance. Unlike with CPU, all
  executors that were asked for count, ready or not;
- a scaler is active while the lag exceeds its activation threshold. An inactive workload goes to zero after the
  cool-down of 300 s; here to one executor, since a stream never ends, and the stabilisation, as long, waits for it.

The lag is the backlog: what arrived and is in no batch yet. The scaler's cap at the number of partitions is left to the
job's largest number of executors: a Spark task, not an executor, reads a partition.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.evaluation import Evaluation

from .base import MOST_EXECUTORS, Sweep
from .horizontal import Horizontal
from .parameters import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class KEDA(Horizontal):
    """Its pace and its bounds are those of Horizontal."""

    NAME: ClassVar[str] = "KEDA"
    NEEDS: ClassVar[tuple[str, ...]] = ("backlog",)
    SWEEP: ClassVar[Sweep] = Sweep("lag", (10, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 5000))
    lag: float = parameter(10, "messages", "lag threshold: what one executor may have waiting", above=0)
    activation: float = parameter(0, "messages", "lag up to which the workload counts as idle", least=0)

    def desired(self, evaluation: Evaluation) -> int:
        (lag,) = self.measured(evaluation.observation)
        if lag <= self.activation:
            return 1
        current = evaluation.history.allocation.executors
        if self.tolerates(lag / (self.lag * current)):
            return current
        return math.ceil(min(lag / self.lag, MOST_EXECUTORS))
