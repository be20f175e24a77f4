"""Fixed: the same allocation whatever happens. Source: the static baseline of the thesis arena."""

from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .base import MOST_EXECUTORS, Rule, Sweep
from .parameters import parameter

THESIS = Allocation(executors=15, memory_mib=4096, tier=Tier.WARM, compression=Compression.LZ4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed(Rule):
    """What is not stated stays as the job's initial allocation has it, which in the thesis is 4 GiB, warm, LZ4."""

    NAME: ClassVar[str] = "Fixed"
    SWEEP: ClassVar[Sweep] = Sweep("executors", tuple(range(1, 21)))
    executors: int = parameter(THESIS.executors, "executors", "always", least=1, most=MOST_EXECUTORS)
    memory_mib: int | None = parameter(None, "MiB", "memory of an executor", least=1)
    tier: Tier | None = parameter(None, "-", "shuffle tier")
    compression: Compression | None = parameter(None, "-", "of shuffle blocks")

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        initial = job.initial
        return Allocation(
            executors=self.executors,
            memory_mib=self.memory_mib or initial.memory_mib,
            tier=self.tier or initial.tier,
            compression=self.compression or initial.compression,
        )
