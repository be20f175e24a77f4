"""Allocations as a job's status holds them, and back."""

from typing import Any

from sparkiot_policies.allocation import Allocation, format_memory, parse_memory

from .resource.allocation import AllocationStatus
from .resource.status import AppliedStatus, DesiredStatus
from .times import format_seconds, timestamp


def allocation_status(allocation: Allocation) -> AllocationStatus:
    return AllocationStatus(**_fields(allocation))


def desired_status(allocation: Allocation, generation: int) -> DesiredStatus:
    return DesiredStatus(**_fields(allocation), generation=generation)


def applied_status(
    allocation: Allocation, *, generation: int, time: float | None = None, cost_s: float | None = None
) -> AppliedStatus:
    """time: epoch seconds since which it is in force. cost_s: seconds that it took."""
    return AppliedStatus(
        **_fields(allocation),
        generation=generation,
        time=None if time is None else timestamp(time),
        cost=None if cost_s is None else format_seconds(cost_s),
    )


def stored_allocation(found: AllocationStatus) -> Allocation:
    return Allocation(
        executors=found.executors,
        memory_mib=parse_memory(found.memory),
        tier=found.tier,
        compression=found.compression,
    )


def _fields(allocation: Allocation) -> dict[str, Any]:
    return {
        "executors": allocation.executors,
        "memory": format_memory(allocation.memory_mib),
        "tier": allocation.tier,
        "compression": allocation.compression,
    }
