"""What the loop needs from whatever runs a job."""

from dataclasses import dataclass
from typing import Protocol

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.measurement import EdgeSignal, Measurement


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at a job. signal: the edge's last one; None where the job has no edge."""

    measurement: Measurement
    signal: EdgeSignal | None = None


@dataclass(frozen=True, slots=True)
class Inherited:
    """What an earlier operator left in a job's status, to adopt the job instead of starting it anew.

    time: job time of its last observation, epoch seconds. backlog: messages; None when nobody had measured it.
    running: whether it ran on after that; a suspended job did not.
    """

    time: float
    backlog: float | None
    running: bool


class Backend(Protocol):
    """Runs one job. All times are job time in epoch seconds; calls for one job never overlap.

    Every call may raise BackendFailedError (temporary) or BackendRefusedError (until the spec or its inputs change).
    """

    async def ensure(self, allocation: Allocation, *, now: float) -> None:
        """Make the job run with this allocation: start it, adopt what runs, or do nothing. Idempotent."""
        ...

    async def observe(self, *, now: float) -> Observed:
        """What can be seen at ``now``. Values that were not measured are None, never zero."""
        ...

    async def apply(self, allocation: Allocation, *, now: float) -> None:
        """Bring a running job to this allocation. Idempotent; it may take effect later than it returns."""
        ...

    async def stop(self, *, now: float) -> None:
        """Stop the job and keep what it needs to go on. Idempotent, also for a job that never ran."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the job came to its own end."""
        ...
