"""Seer: executors linear in the predicted rate. Source: the predictive baseline of the thesis arena."""

from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.allocation import ACTION_SIZES, Allocation, Compression, Tier
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .base import Rule, Sweep
from .parameters import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Seer(Rule):
    """Executor index floor(predicted rate / ``rate_per_executor``); 4 GiB, hot tier, no compression."""

    NAME: ClassVar[str] = "Seer"
    NEEDS: ClassVar[tuple[str, ...]] = ("predicted_rate",)
    SWEEP: ClassVar[Sweep] = Sweep("rate_per_executor", (20, 30, 40, 50, 75, 100, 150))
    rate_per_executor: float = parameter(50.0, "messages/s", "what one executor more is for", above=0)

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        (predicted,) = self.measured(evaluation.observation)
        index = int(min(max(predicted // self.rate_per_executor, 0), ACTION_SIZES[0] - 1))
        return Allocation(executors=index + 1, memory_mib=4096, tier=Tier.HOT, compression=Compression.NONE)
