"""An allocation as operator and driver exchange it: with the generation that orders it among others."""

from dataclasses import dataclass
from typing import Any, Self

from sparkiot_policies.allocation import Allocation, Compression, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRequest:
    """generation: grows with every change, the higher one wins. memory_mib: of one executor pod, MiB."""

    generation: int
    executors: int
    memory_mib: int
    tier: Tier
    compression: Compression

    @classmethod
    def of(cls, allocation: Allocation, *, generation: int) -> Self:
        return cls(
            generation=generation,
            executors=allocation.executors,
            memory_mib=allocation.memory_mib,
            tier=allocation.tier,
            compression=allocation.compression,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "executors": self.executors,
            "memoryMiB": self.memory_mib,
            "tier": self.tier.value,
            "compression": self.compression.value,
        }
