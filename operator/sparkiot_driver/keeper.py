"""Which allocation is wanted, with which one Spark was started, and which one is in effect. Pure."""

from __future__ import annotations

from typing import Any

from sparkiot_driver.allocation import Allocation


class StaleAllocationError(Exception):
    """An allocation with a lower generation than the one that is wanted already."""


class Keeper:
    """Keeps the newest allocation; executors change in a running Spark, memory at a restart only.

    Tier and compression never cause a restart. The tiered shuffle takes them over at the next micro-batch, and
    ``applied`` shows those of its newest batch; before one, and in a job that does not use it, those of the last start.
    """

    def __init__(self, first: Allocation, now: float) -> None:
        self.desired = first
        self.desired_at = now
        self.started = first
        self.applied: dict[str, Any] | None = None
        self._shuffled: tuple[str, str] | None = None
        self._restarted = False

    def propose(self, allocation: Allocation, now: float) -> bool:
        """Take an allocation over when its generation is newer. Raises StaleAllocationError when it is older."""
        if allocation.generation < self.desired.generation:
            raise StaleAllocationError
        if allocation.generation == self.desired.generation:
            return False
        self.desired, self.desired_at = allocation, now
        return True

    @property
    def needs_restart(self) -> bool:
        return self.desired.memory_mib != self.started.memory_mib

    @property
    def is_applied(self) -> bool:
        return self.applied is not None and self.applied["generation"] == self.desired.generation

    def starting(self) -> Allocation:
        """Spark starts with what is wanted now."""
        self._restarted = self.needs_restart
        self.started = self.desired
        return self.started

    def shuffled(self, tier: str, compression: str) -> None:
        """A batch of the tiered shuffle was written to that tier with that compression."""
        self._shuffled = (tier, compression)
        if self.applied is not None:
            self.applied = {**self.applied, "tier": tier, "compression": compression}

    def settle(
        self, *, staying: int, leaving: int, now: float, startup: float | None, restart_cost: float | None
    ) -> None:
        """See whether the wanted allocation is in effect.

        staying, leaving: executors that are here and shall stay or go. startup: seconds from request to registration
        of the newest executor. restart_cost: the outage of this start in seconds, None while it lasts; a first start
        has none.
        """
        if self.is_applied or self.needs_restart or staying != self.desired.executors or leaving:
            return
        before = self.applied["executors"] if self.applied else 0
        cost: float | None = now - self.desired_at
        if self._restarted:
            if restart_cost is None:
                return
            cost, self._restarted = restart_cost, False
        elif staying > before:
            cost = startup
        elif staying == before:
            cost = 0.0
        tier, compression = self._shuffled or (self.started.tier, self.started.compression)
        self.applied = {
            "generation": self.desired.generation,
            "executors": staying,
            "memoryMiB": self.started.memory_mib,
            "tier": tier,
            "compression": compression,
            "time": now,
            "costSeconds": None if cost is None else round(cost, 3),
        }
