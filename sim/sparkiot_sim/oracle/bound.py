"""The oracle: what no policy can beat on a setting, however clever, with load, temperature and draws known beforehand.

It minimises ``cost + price · late batches`` over all allocations at all decisions, by dynamic programming. It is a
lower bound: where it is not exact it errs to the cheap side.

What holds as in the simulator: executors are billed from their request and cannot work before the startup is over; who
leaves is billed until gone; other memory costs a restart, at which late batches are unavoidable; a batch on time takes
all that came since the trigger before, at the duration that its executors, memory, tier, compression, temperature and
state give it; shuffle is billed by tier; decisions fall at the job's interval, the first one after the first interval.

What is relaxed:

- Every startup is the shortest among the first draws of the seed, and so is every restart; no executor is lost.
- A batch on time is held to the objective only where it runs within one interval, with the lowest temperature and
  state of that interval, and no state but what the rate of the last minutes brings.
- Lateness is not followed batch by batch. It costs compute, and as many late batches as a stretch must have: one, so
  many as its length asks for, and so many as rows that surely come late make up at the largest size of a batch. Its
  shuffle is free, and batches are back at their triggers when ten of them were on time.
- The envelope's bounds on the pace of changes do not hold, nor do budgets, quotas and excluded periods.

It holds under three assumptions that are no proofs, and are tested only: ten batches on time bring one back to its
trigger; no batch is stretched by two losses; an executor that replaces a lost one ends no overload.

Rows that are overdue when the episode ends count as late batches of the largest size: else the cheapest run would be
one that works nothing off.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import MIB_PER_GIB, Compression, Tier
from sparkiot_policies.job import Limits
from sparkiot_sim.calibration import Calibration
from sparkiot_sim.cluster import SECONDS_PER_HOUR
from sparkiot_sim.setting import Setting

from .course import course
from .durations import Array, Durations, shuffles
from .lateness import lateness
from .needs import executors_needed
from .schedule import Costs, Schedule, cheapest

Indices = npt.NDArray[np.int64]

PRICE_S = 300.0
"""A late batch is worth so many seconds of the largest allocation that the job allows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bound:
    """What the oracle comes to, and how. Columns have one element for each decision interval, shape (K,).

    slo_attainment: share of batches on time, at the most. cost_dollars: to be spent at least with so many late.
    late_batches: at the least; a sum of shares, so that it need not be whole. price_per_late_batch: dollars.
    value: cost_dollars + price_per_late_batch · late_batches; no run comes below that.
    time: epoch seconds. executors, memory_mib: of the interval. tier, compression: their codes. late: in a stretch of
    lateness, where tier and compression are the fastest rather than the cheapest that keep the objective.
    """

    slo_attainment: float
    cost_dollars: float
    late_batches: float
    price_per_late_batch: float
    time: Array
    executors: Indices
    memory_mib: Indices
    tier: Indices
    compression: Indices
    late: npt.NDArray[np.bool_]

    @property
    def value(self) -> float:
        return self.cost_dollars + self.price_per_late_batch * self.late_batches


def oracle(setting: Setting, *, price_per_late_batch: float | None = None) -> Bound:
    """The bound of a setting.

    price_per_late_batch: dollars that a late batch is worth avoiding; None for so much that the objective is missed
    only where it must be, or where a restart pays. Raises ValueError for a negative one.
    """
    price = late_batch_price(setting) if price_per_late_batch is None else price_per_late_batch
    if not price >= 0:
        raise ValueError(f"price_per_late_batch is {price}, must not be negative")
    job, profile, calibration = setting.job, setting.profile, setting.constants
    limits = job.limits
    durations = Durations(
        profile=profile,
        calibration=calibration,
        shuffle=shuffles(
            profile=profile,
            calibration=calibration,
            prices=job.prices,
            tiers=tuple(dict.fromkeys((*limits.tiers, job.initial.tier))),
            compressions=tuple(dict.fromkeys((*limits.compressions, job.initial.compression))),
        ),
        memory_mib=np.array(_memories(limits, job.initial.memory_mib), dtype=np.float64),
    )
    return _Problem(setting, calibration, durations, price).solve()


def late_batch_price(setting: Setting) -> float:
    """Dollars of a late batch by default: five minutes of the largest allocation that the job allows."""
    job = setting.job
    largest = job.prices.compute_per_hour(job.limits.max_executors, job.limits.max_memory_mib)
    return largest * PRICE_S / SECONDS_PER_HOUR


class _Problem:
    """One setting in the arrays that the schedule is sought in."""

    def __init__(self, setting: Setting, calibration: Calibration, durations: Durations, price: float) -> None:
        self._setting, self._durations, self._price = setting, durations, price
        job, limits = setting.job, setting.job.limits
        self._course = course(setting, calibration)
        least = min(limits.min_executors, job.initial.executors)
        most = max(limits.max_executors, job.initial.executors)
        self._counts = np.arange(least, most + 1, dtype=np.int64)
        self._needed = executors_needed(self._course, durations, most=most, head=False)
        self._preset = calibration.preset(setting.preset)

    def solve(self) -> Bound:
        costs = self._costs()
        schedule = cheapest(costs)
        cost = schedule.value - self._price * schedule.late_batches
        batches = self._setting.duration_s / self._setting.profile.trigger_interval_s
        ways = self._ways(schedule)
        shuffle = self._durations.shuffle
        return Bound(
            slo_attainment=max(1 - schedule.late_batches / batches, 0.0),
            cost_dollars=cost,
            late_batches=schedule.late_batches,
            price_per_late_batch=self._price,
            time=self._course.time,
            executors=self._counts[schedule.executors],
            memory_mib=self._durations.memory_mib[schedule.memory].astype(np.int64),
            tier=_codes(shuffle.tiers)[ways],
            compression=_codes(shuffle.compressions)[ways],
            late=schedule.late,
        )

    def _costs(self) -> Costs:
        setting, course, durations, counts = self._setting, self._course, self._durations, self._counts
        job, limits, interval = setting.job, setting.job.limits, course.interval_s
        most, losses = int(counts[-1]), self._preset.losses_per_hour.value > 0
        second = np.array([_second_dollars(setting, m) for m in durations.memory_mib])
        compute = interval * second[:, None] * counts
        head = executors_needed(course, durations, most=most, head=True).min(axis=2)
        # A lost executor is billed no further; one that was released may be lost before it is gone.
        leaving = 0.0 if losses else min(self._preset.decommission_s.value, interval)
        allowed = (counts >= limits.min_executors) & (counts <= limits.max_executors)
        outage = int(course.restart_s // interval)
        lag = min(course.lag, outage)
        memories = durations.memory_mib.astype(int).tolist()
        return Costs(
            counts=counts,
            allowed=allowed,
            shuffle=self._shuffle_dollars(),
            needed_before=head,
            compute=compute,
            request=interval * lag * second,
            release=leaving * second,
            landing=allowed if outage == 0 else allowed & (counts == counts[allowed][0]),
            lag=lag,
            initial=(memories.index(job.initial.memory_mib), job.initial.executors - int(counts[0])),
            late_dollars=self._price,
            lateness=lateness(course, durations, most=most, losses=losses),
        )

    def _shuffle_dollars(self) -> Array:
        """Of the cheapest way that keeps the objective, infinite where none does; shape (K, M, N)."""
        course, row_dollars = self._course, self._durations.shuffle.row_dollars
        cheapest = np.full((*self._needed.shape[:2], self._counts.size), np.inf)
        other = course.other * row_dollars.min()
        for way, dollars in enumerate(row_dollars.tolist()):
            cost = (course.own * dollars + other)[:, None, None]
            enough = self._counts >= self._needed[:, :, way, None]
            np.minimum(cheapest, np.where(enough, cost, np.inf), out=cheapest)
        return cheapest

    def _ways(self, schedule: Schedule) -> Indices:
        """How the schedule shuffles in each interval: as cheaply as its executors allow, or as fast as it can."""
        row_dollars = self._durations.shuffle.row_dollars
        needed = self._needed[np.arange(schedule.memory.size), schedule.memory]
        enough = self._counts[schedule.executors][:, None] >= needed
        cheap = np.where(enough, row_dollars, np.inf).argmin(axis=1)
        fast = np.lexsort((np.broadcast_to(row_dollars, needed.shape), needed), axis=-1)[:, 0]
        return np.where(enough.any(axis=1), cheap, fast)


def _memories(limits: Limits, initial_mib: int) -> list[int]:
    """Memory of an executor that a policy may ask for, in MiB: whole GiB and the bounds; and the one at the start."""
    least, most = limits.min_memory_mib, limits.max_memory_mib
    whole = range(-(-least // MIB_PER_GIB) * MIB_PER_GIB, most + 1, MIB_PER_GIB)
    return sorted({least, most, initial_mib, *whole})


def _second_dollars(setting: Setting, memory_mib: float) -> float:
    return setting.job.prices.compute_per_hour(1, int(memory_mib)) / SECONDS_PER_HOUR


def _codes(choices: tuple[Tier, ...] | tuple[Compression, ...]) -> Indices:
    return np.array([choice.code for choice in choices])
