"""Seer: executors linear in the predicted rate. Source: the predictive baseline of the thesis arena."""

from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.allocation import ACTION_SIZES, Allocation, Compression, Tier
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .base import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Seer(Rule):
    """Executor index floor(predicted rate / ``rate_per_executor``), messages/s; 4 GiB, hot tier, no compression."""

    NAME: ClassVar[str] = "Seer"
    NEEDS: ClassVar[tuple[str, ...]] = ("predicted_rate",)
    rate_per_executor: float = 50.0

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        (predicted,) = self.measured(evaluation.observation)
        index = int(min(max(predicted // self.rate_per_executor, 0), ACTION_SIZES[0] - 1))
        return Allocation(executors=index + 1, memory_mib=4096, tier=Tier.HOT, compression=Compression.NONE)
