"""What the loop needs from whatever runs a job."""

from dataclasses import dataclass
from typing import Protocol

from sparkiot_operator.resource.status import AppliedStatus, DriverStatus, Phase
from sparkiot_operator.spark.shuffle_state import ShuffleState
from sparkiot_policies.allocation import Allocation
from sparkiot_policies.measurement import EdgeSignal, Measurement

ENDED = frozenset({Phase.COMPLETED, Phase.FAILED})
"""Phases that only another spec leaves."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The allocation that a job shall have. generation: grows with every change."""

    allocation: Allocation
    generation: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendState:
    """How the job's run stands after the last call.

    ready, reason, message: of the condition Ready; ready means that the job processes data. applied: what the running
    job has, None while nobody knows. driver: None for a backend without one. shuffle: None for a job without stated
    tiers.
    """

    phase: Phase
    ready: bool
    reason: str
    message: str
    applied: AppliedStatus | None = None
    driver: DriverStatus | None = None
    shuffle: ShuffleState | None = None

    @property
    def ended(self) -> bool:
        return self.phase in ENDED


class Backend(Protocol):
    """Runs one job. All times are job time in epoch seconds; calls for one job never overlap.

    Every call may raise BackendFailedError (temporary) or BackendRefusedError (until the spec or its inputs change).
    """

    async def ensure(self, desired: Desired, *, now: float) -> None:
        """Make the job run: start it with this allocation, adopt what runs, or do nothing. Idempotent.

        Where a start takes longer than a call, it goes on with the next one; ``state`` says how far it is.
        """
        ...

    async def observe(self, *, now: float) -> Observed:
        """What can be seen at ``now``. Values that were not measured are None, never zero."""
        ...

    async def apply(self, desired: Desired, *, now: float) -> None:
        """Bring a running job to this allocation. Idempotent; it may take effect later than it returns."""
        ...

    async def stop(self, *, now: float) -> None:
        """Stop the job and keep what it needs to go on. Idempotent, also for a job that never ran."""
        ...

    @property
    def state(self) -> BackendState: ...
