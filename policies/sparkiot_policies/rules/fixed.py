"""Fixed: the same allocation whatever happens. Source: the static baseline of the thesis arena."""

from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .base import Rule

THESIS = Allocation(executors=15, memory_mib=4096, tier=Tier.WARM, compression=Compression.LZ4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed(Rule):
    """allocation: what it always proposes; 15 executors of 4 GiB, warm tier, LZ4, as in the thesis."""

    NAME: ClassVar[str] = "Fixed"
    allocation: Allocation = THESIS

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        return self.allocation
