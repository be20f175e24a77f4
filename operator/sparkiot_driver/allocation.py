"""What the operator wants this job to have, as it comes over the endpoint, the environment and the API."""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple

JSON = Mapping[str, Any]
MAX_EXECUTORS = 10_000
_UNITS = {"Mi": 1, "Gi": 1024}


class InvalidAllocationError(ValueError):
    """The allocation cannot be used; the message says which field and why."""


class Allocation(NamedTuple):
    """One allocation with its generation: executors, MiB that an executor's pod requests, tier and compression."""

    generation: int
    executors: int
    memory_mib: int
    tier: str
    compression: str

    @classmethod
    def from_wire(cls, body: object) -> Allocation:
        """From ``{"generation", "executors", "memoryMiB", "tier", "compression"}``. Raises InvalidAllocationError."""
        if not isinstance(body, dict):
            raise InvalidAllocationError("an allocation is a JSON object with generation, executors, memoryMiB, ...")
        return cls(
            generation=_whole(body, "generation", least=0),
            executors=_whole(body, "executors", least=1, most=MAX_EXECUTORS),
            memory_mib=_whole(body, "memoryMiB", least=1),
            tier=_word(body, "tier"),
            compression=_word(body, "compression"),
        )

    @classmethod
    def from_status(cls, status: JSON) -> Allocation:
        """From a resource's ``status.allocation``, whose memory is a quantity. Raises InvalidAllocationError."""
        match = re.match(r"([0-9]+)(Mi|Gi)$", str(status.get("memory")))
        if match is None:
            raise InvalidAllocationError(f"memory {status.get('memory')!r} is not a whole number of Mi or Gi")
        return cls.from_wire({**status, "memoryMiB": int(match.group(1)) * _UNITS[match.group(2)]})

    def to_wire(self) -> dict[str, Any]:
        return {
            "generation": self.generation,
            "executors": self.executors,
            "memoryMiB": self.memory_mib,
            "tier": self.tier,
            "compression": self.compression,
        }


def _whole(body: JSON, field: str, *, least: int, most: int = 2**53) -> int:
    value = body.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidAllocationError(f"{field} must be a whole number from {least} to {most}, not {value!r}")
    return value


def _word(body: JSON, field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise InvalidAllocationError(f"{field} must be a name, not {value!r}")
    return value
