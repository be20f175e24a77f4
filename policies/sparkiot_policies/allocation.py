"""What a policy decides: executors, memory per executor, shuffle tier and compression, and their integer coding."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

MIB_PER_GIB = 1024
ACTION_SIZES: tuple[int, int, int, int] = (20, 8, 4, 3)
"""MultiDiscrete sizes of the public contract: executors 1-20, memory 1-8 GiB, tier, compression."""


class Tier(enum.StrEnum):
    """Where shuffle blocks live, fastest first; the position is the action's index."""

    HOT = "Hot"
    WARM = "Warm"
    COLD = "Cold"
    ARCHIVE = "Archive"

    @property
    def code(self) -> int:
        return TIERS.index(self)


class Compression(enum.StrEnum):
    """How shuffle blocks are compressed, lightest first; the position is the action's index."""

    NONE = "None"
    LZ4 = "LZ4"
    ZSTD = "ZSTD"

    @property
    def code(self) -> int:
        return COMPRESSIONS.index(self)


TIERS = tuple(Tier)
COMPRESSIONS = tuple(Compression)


class ActionClass(enum.StrEnum):
    """What a change costs: nothing, new pods, or a restart from the checkpoint."""

    NONE = "None"
    IN_PLACE = "InPlace"
    RESTART = "Restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Resources of one job.

    executors: count, at least 1. memory_mib: memory per executor in MiB, as the pod requests it.
    """

    executors: int
    memory_mib: int
    tier: Tier
    compression: Compression

    @property
    def memory_gib(self) -> float:
        return self.memory_mib / MIB_PER_GIB

    @property
    def action(self) -> tuple[int, int, int, int]:
        """The nearest action of the public contract (see ``from_action``)."""
        return (
            min(max(self.executors - 1, 0), ACTION_SIZES[0] - 1),
            min(max(round(self.memory_gib) - 1, 0), ACTION_SIZES[1] - 1),
            self.tier.code,
            self.compression.code,
        )

    @classmethod
    def from_action(cls, action: Sequence[int]) -> "Allocation":
        """Decode one MultiDiscrete action, shape (4,). Raises ValueError when it is outside ACTION_SIZES."""
        if len(action) != len(ACTION_SIZES) or any(not 0 <= a < n for a, n in zip(action, ACTION_SIZES, strict=False)):
            raise ValueError(f"action {list(action)} is not in MultiDiscrete({list(ACTION_SIZES)})")
        executors, memory, tier, compression = (int(a) for a in action)
        return cls(
            executors=executors + 1,
            memory_mib=(memory + 1) * MIB_PER_GIB,
            tier=TIERS[tier],
            compression=COMPRESSIONS[compression],
        )

    def change_class(self, desired: "Allocation") -> ActionClass:
        """What going from this allocation to the desired one costs."""
        if desired.memory_mib != self.memory_mib:
            return ActionClass.RESTART
        return ActionClass.NONE if desired == self else ActionClass.IN_PLACE

    def __str__(self) -> str:
        """For people: ``6 × 2Gi, Warm, LZ4``."""
        return f"{self.executors} × {format_memory(self.memory_mib)}, {self.tier.value}, {self.compression.value}"

    def to_dict(self) -> dict[str, int | str]:
        return {
            "executors": self.executors,
            "memory": format_memory(self.memory_mib),
            "tier": self.tier.value,
            "compression": self.compression.value,
        }


def format_memory(mib: int) -> str:
    """A Kubernetes quantity: 2048 is ``2Gi``, 1536 is ``1536Mi``."""
    return f"{mib // MIB_PER_GIB}Gi" if mib % MIB_PER_GIB == 0 else f"{mib}Mi"


def parse_memory(quantity: str) -> int:
    """MiB of a quantity in Mi or Gi, the inverse of ``format_memory``. Raises ValueError for anything else."""
    unit = {"Mi": 1, "Gi": MIB_PER_GIB}.get(quantity[-2:])
    if unit is None or not (quantity.isascii() and quantity[:-2].isdigit()):
        raise ValueError(f"memory {quantity!r} is not a whole number of Mi or Gi, such as 1536Mi or 2Gi")
    return int(quantity[:-2]) * unit
