"""A decision as a value: what was proposed, what came of it, and why."""

import enum
from dataclasses import dataclass

from .allocation import ActionClass, Allocation
from .objectives import Weights
from .observation import Observation


class ClampCode(enum.StrEnum):
    """Why the envelope changed a proposal. Stable: dashboards and alerts name them."""

    OVERRIDE = "Override"
    """Somebody pinned the executors (`kubectl scale`, `spec.scaling.executors.override`)."""
    PAUSED = "Paused"
    """The job is paused (`spec.scaling.mode`): the allocation in force is kept."""
    EXCLUDED_PERIOD = "ExcludedPeriod"
    """It is within a period in which nothing is scaled: the allocation in force is kept."""
    STALE_OBSERVATION = "StaleObservation"
    """The last measurement is older than `staleAfter`, or missing: the allocation in force is kept. Where
    backlog or load alone is unknown, nothing is taken away."""
    MIN_EXECUTORS = "MinExecutors"
    """Fewer executors than the least were proposed."""
    MAX_EXECUTORS = "MaxExecutors"
    """More executors than the most were proposed."""
    MIN_MEMORY = "MinMemory"
    """Less memory of an executor than the least was proposed."""
    MAX_MEMORY = "MaxMemory"
    """More memory of an executor than the most was proposed."""
    TIER_NOT_ALLOWED = "TierNotAllowed"
    """The job does not allow the proposed shuffle tier."""
    COMPRESSION_NOT_ALLOWED = "CompressionNotAllowed"
    """The job does not allow the proposed compression."""
    MAX_STEP_UP = "MaxStepUp"
    """One step up may add only so much, as a factor and as a number."""
    MAX_STEP_DOWN = "MaxStepDown"
    """One step down may remove only so large a share."""
    STABILIZING = "Stabilizing"
    """More executors were needed within the stabilisation window: the highest of that time is kept."""
    STATE_MEMORY = "StateMemory"
    """Fewer executors would have more state of the queries than half of their memory."""
    BACKLOG_GROWING = "BacklogGrowing"
    """Nothing is taken away while the backlog grows."""
    COOL_DOWN_UP = "CoolDownUp"
    """The last scale-up was too short a time ago."""
    COOL_DOWN_DOWN = "CoolDownDown"
    """The last scale-down was too short a time ago."""
    COOL_DOWN_SHUFFLE = "CoolDownShuffle"
    """The last change of tier or compression was too short a time ago."""
    RESTART_INTERVAL = "RestartInterval"
    """Other memory means a restart, and the last one was too short a time ago."""
    RESTART_NOT_WORTH = "RestartNotWorth"
    """Other memory means a restart, which would cost more than the memory gains."""
    RESTART_UNSETTLED = "RestartUnsettled"
    """Other memory means a restart, and the proposals of the last minutes did not agree on it."""
    BUDGET_CEILING = "BudgetCeiling"
    """The proposal costs more an hour than the budget."""
    QUOTA = "Quota"
    """The namespace's quota has no room for so many executors."""
    UNSCHEDULABLE = "Unschedulable"
    """Executors are pending for which the cluster has no room: no more are asked for."""


class FallbackCode(enum.StrEnum):
    """Why the rule acted instead of the job's policy."""

    OUT_OF_DISTRIBUTION = "OutOfDistribution"
    """The observation is outside of what the policy was trained on."""
    INEFFECTIVE = "IneffectiveScaling"
    """The last scale-up brought less than a tenth of the processing rate that it promised."""
    POLICY_FAILED = "PolicyFailed"
    """The policy could not be loaded, or failed while it decided."""


class Reason(enum.StrEnum):
    """What a decision did, in one word. Limited: the envelope moved what the policy would have left."""

    BURST_AHEAD = "BurstAhead"
    """More executors, as the edge announces a burst."""
    BACKLOG_GROWING = "BacklogGrowing"
    """More executors, as the backlog grows."""
    LOAD_RISING = "LoadRising"
    """More executors, and neither a burst nor a growing backlog is why."""
    LOAD_FALLING = "LoadFalling"
    """Fewer executors."""
    MEMORY_CHANGE = "MemoryChange"
    """Other memory of the executors, by a restart."""
    SHUFFLE_CHANGE = "ShuffleChange"
    """Another shuffle tier or compression."""
    LIMITED = "Limited"
    """The envelope moved executors that the policy would have left, or moved them the other way."""
    STEADY = "Steady"
    """Nothing changed, and nothing else was proposed."""
    HELD = "Held"
    """Nothing changed, as a bound kept a change back or the policy lacked a measurement."""


@dataclass(frozen=True, slots=True)
class Clamp:
    """One change that the envelope made: ``before`` and ``after`` are the values of ``field`` as text."""

    code: ClampCode
    field: str
    before: str
    after: str
    message: str


@dataclass(frozen=True, slots=True)
class PolicyIdentity:
    """Which policy decided. digest: ``sha256:…`` of its artifact, or ``builtin`` for a rule."""

    name: str
    digest: str = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision with everything needed to explain it.

    proposal: what the acting policy asked for. allocation: the same after the envelope. previous: in force before.
    policy: the job's. acted: the one whose proposal this is (the fallback rule when ``fallback`` says why).
    """

    time: float
    job: str
    observation: Observation
    weights: Weights
    previous: Allocation
    proposal: Allocation
    allocation: Allocation
    clamps: tuple[Clamp, ...]
    reason: Reason
    policy: PolicyIdentity
    acted: PolicyIdentity
    fallback: FallbackCode | None = None
    detail: str = ""

    @property
    def change(self) -> ActionClass:
        return self.previous.change_class(self.allocation)
