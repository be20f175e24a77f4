"""Restarts of a job, and the time that they cost: from what its cycles say, one after the other."""

import enum
from dataclasses import dataclass, field

from sparkiot_operator.resource.status import DriverStatus
from sparkiot_operator.status import Cycle


class Cause(enum.StrEnum):
    """Why a job began anew. Allocation: other memory of its executors. Failure: its driver failed or was lost.
    Replaced: another driver pod without a failure, as after an edit of its spec."""

    ALLOCATION = "Allocation"
    FAILURE = "Failure"
    REPLACED = "Replaced"


@dataclass(slots=True)
class RestartTally:
    """Sums over the cycles of one job.

    outage_s: measured from a restart to the end of its first batches, in seconds. unready_s: job time in which the job
    did not process, to the resolution of its interval. What an earlier operator has seen is not counted again.
    """

    counts: dict[Cause, int] = field(default_factory=lambda: dict.fromkeys(Cause, 0))
    outage_s: float = 0.0
    unready_s: float = 0.0
    _pod: str | None = None
    _failed: int = 0
    _looked: bool = False
    _cost_s: float | None = None

    def take(self, before: Cycle | None, cycle: Cycle) -> None:
        """before: the cycle before; None at the first one of a run."""
        self.counts[Cause.ALLOCATION] += cycle.allocation.memory_mib != cycle.decision.previous.memory_mib
        if cycle.state.driver is not None:
            self._take_driver(cycle.state.driver)
        if before is not None and not cycle.state.ready:
            self.unready_s += cycle.time - before.time
        if cycle.measurement is not None:
            self._take_cost(cycle.measurement.restart_cost_s, first=before is None or not self._looked)

    def _take_driver(self, driver: DriverStatus) -> None:
        if driver.pod_uid is None or driver.pod_uid == self._pod:
            return
        if self._pod is not None:
            self.counts[Cause.FAILURE if driver.restarts > self._failed else Cause.REPLACED] += 1
        self._pod, self._failed = driver.pod_uid, driver.restarts

    def _take_cost(self, cost_s: float | None, *, first: bool) -> None:
        """A backend tells the last outage until there is another, which differs from it in its last digits."""
        self._looked = True
        if cost_s is None or cost_s == self._cost_s:
            return
        if not first:
            self.outage_s += cost_s
        self._cost_s = cost_s
