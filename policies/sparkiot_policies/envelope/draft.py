"""An allocation on its way through the envelope."""

from dataclasses import replace
from typing import Any, Literal

from sparkiot_policies.allocation import Allocation, Compression, Tier, format_memory
from sparkiot_policies.decision import Clamp, ClampCode

Field = Literal["executors", "memory_mib", "tier", "compression"]
FIELDS: tuple[Field, ...] = ("executors", "memory_mib", "tier", "compression")


class Draft:
    """The allocation so far and the clamps that it met."""

    __slots__ = ("_clamps", "allocation")

    def __init__(self, allocation: Allocation) -> None:
        self.allocation = allocation
        self._clamps: list[tuple[Field, Clamp]] = []

    def limit(self, code: ClampCode, field: Field, value: int | Tier | Compression, message: str) -> None:
        """Set one field, and say why when that changes it."""
        before = getattr(self.allocation, field)
        if value == before:
            return
        name, was, now = _name(field), _text(field, before), _text(field, value)
        self._clamps.append((field, Clamp(code, name, was, now, f"{name} {was} -> {now}: {message}")))
        change: dict[str, Any] = {field: value}
        self.allocation = replace(self.allocation, **change)

    def clamps_against(self, proposal: Allocation) -> tuple[Clamp, ...]:
        """The clamps of the fields that ended up different from the proposal."""
        if not self._clamps:
            return ()
        changed = {f for f in FIELDS if getattr(self.allocation, f) != getattr(proposal, f)}
        return tuple(clamp for field, clamp in self._clamps if field in changed)


def _name(field: Field) -> str:
    return "memory" if field == "memory_mib" else field


def _text(field: Field, value: int | Tier | Compression) -> str:
    return format_memory(int(value)) if field == "memory_mib" else str(value)
