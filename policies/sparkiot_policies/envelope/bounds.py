"""Hard bounds: what no allocation of a job may leave, whatever was in force before."""

import math
from collections.abc import Sequence
from typing import TypeVar

from sparkiot_policies.allocation import COMPRESSIONS, MIB_PER_GIB, TIERS, Allocation, Compression, Tier, format_memory
from sparkiot_policies.decision import ClampCode
from sparkiot_policies.job import Job, Limits

from .draft import Draft

MEMORY_STEP_MIB = 256
"""Granularity of a memory that the budget dictates."""

CENT = 1e-9
"""Dollars that rounding may add to a sum of prices."""

_Level = TypeVar("_Level", Tier, Compression)


def within(job: Job, allocation: Allocation) -> Allocation:
    """The allocation brought within every hard bound."""
    draft = Draft(allocation)
    apply(job.limits, allocation, draft)
    afford(job, draft.allocation, draft)
    return draft.allocation


def apply(limits: Limits, current: Allocation, draft: Draft) -> None:
    """Min and max of executors and memory; allowed tiers and compressions."""
    wanted = draft.allocation
    if wanted.executors < limits.min_executors:
        draft.limit(
            ClampCode.MIN_EXECUTORS, "executors", limits.min_executors, f"the minimum is {limits.min_executors}"
        )
    elif wanted.executors > limits.max_executors:
        draft.limit(
            ClampCode.MAX_EXECUTORS, "executors", limits.max_executors, f"the maximum is {limits.max_executors}"
        )
    if wanted.memory_mib < limits.min_memory_mib:
        message = f"the minimum is {format_memory(limits.min_memory_mib)}"
        draft.limit(ClampCode.MIN_MEMORY, "memory_mib", limits.min_memory_mib, message)
    elif wanted.memory_mib > limits.max_memory_mib:
        message = f"the maximum is {format_memory(limits.max_memory_mib)}"
        draft.limit(ClampCode.MAX_MEMORY, "memory_mib", limits.max_memory_mib, message)
    if wanted.tier not in limits.tiers:
        tier = _allowed(wanted.tier, current.tier, limits.tiers, TIERS)
        draft.limit(ClampCode.TIER_NOT_ALLOWED, "tier", tier, f"allowed are {', '.join(limits.tiers)}")
    if wanted.compression not in limits.compressions:
        compression = _allowed(wanted.compression, current.compression, limits.compressions, COMPRESSIONS)
        message = f"allowed are {', '.join(limits.compressions)}"
        draft.limit(ClampCode.COMPRESSION_NOT_ALLOWED, "compression", compression, message)


def afford(job: Job, base: Allocation, draft: Draft) -> None:
    """Keep the price of executors and memory within the budget, at the least loss of capacity and no needless restart.

    First a memory increase over ``base`` (in force, within bounds) is given up, then executors down to the minimum,
    then memory down to the minimum. Shuffle storage is not counted: it is billed by use, not by allocation.
    """
    budget, limits, prices = job.objectives.budget_per_hour, job.limits, job.prices
    if budget is None or _price(job, draft) <= budget + CENT:
        return
    message = f"the budget is ${budget:.2f}/h"
    least = prices.compute_per_hour(limits.min_executors, limits.min_memory_mib)
    if least > budget + CENT:
        message += f", and even the minimum allocation costs ${least:.2f}/h"
    if draft.allocation.memory_mib > base.memory_mib:
        draft.limit(ClampCode.BUDGET_CEILING, "memory_mib", base.memory_mib, message)
    if _price(job, draft) > budget + CENT:
        affordable = math.floor(budget / prices.compute_per_hour(1, draft.allocation.memory_mib) + CENT)
        executors = min(draft.allocation.executors, max(affordable, limits.min_executors))
        draft.limit(ClampCode.BUDGET_CEILING, "executors", executors, message)
    if _price(job, draft) > budget + CENT and prices.gib_hour > 0:
        gib = (budget / draft.allocation.executors - prices.executor_hour) / prices.gib_hour
        mib = min(max(gib * MIB_PER_GIB, limits.min_memory_mib), draft.allocation.memory_mib)
        memory = max(math.floor(mib / MEMORY_STEP_MIB + CENT) * MEMORY_STEP_MIB, limits.min_memory_mib)
        draft.limit(ClampCode.BUDGET_CEILING, "memory_mib", memory, message)


def _price(job: Job, draft: Draft) -> float:
    return job.prices.compute_per_hour(draft.allocation.executors, draft.allocation.memory_mib)


def _allowed(wanted: _Level, current: _Level, allowed: Sequence[_Level], order: Sequence[_Level]) -> _Level:
    """The current level if it is allowed, else the nearest faster one than wanted, else the nearest slower one."""
    if current in allowed:
        return current
    faster = [level for level in allowed if order.index(level) < order.index(wanted)]
    return max(faster, key=order.index) if faster else min(allowed, key=order.index)
