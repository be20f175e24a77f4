"""A decision as a value: what was proposed, what came of it, and why."""

import enum
from dataclasses import dataclass

from .allocation import ActionClass, Allocation
from .objectives import Weights
from .observation import Observation


class ClampCode(enum.StrEnum):
    """Why the envelope changed a proposal. Stable: dashboards and alerts name them."""

    OVERRIDE = "Override"
    PAUSED = "Paused"
    EXCLUDED_PERIOD = "ExcludedPeriod"
    STALE_OBSERVATION = "StaleObservation"
    MIN_EXECUTORS = "MinExecutors"
    MAX_EXECUTORS = "MaxExecutors"
    MIN_MEMORY = "MinMemory"
    MAX_MEMORY = "MaxMemory"
    TIER_NOT_ALLOWED = "TierNotAllowed"
    COMPRESSION_NOT_ALLOWED = "CompressionNotAllowed"
    MAX_STEP_UP = "MaxStepUp"
    MAX_STEP_DOWN = "MaxStepDown"
    STABILIZING = "Stabilizing"
    BACKLOG_GROWING = "BacklogGrowing"
    COOL_DOWN_UP = "CoolDownUp"
    COOL_DOWN_DOWN = "CoolDownDown"
    COOL_DOWN_SHUFFLE = "CoolDownShuffle"
    RESTART_INTERVAL = "RestartInterval"
    RESTART_NOT_WORTH = "RestartNotWorth"
    RESTART_UNSETTLED = "RestartUnsettled"
    BUDGET_CEILING = "BudgetCeiling"
    QUOTA = "Quota"
    UNSCHEDULABLE = "Unschedulable"


class FallbackCode(enum.StrEnum):
    """Why the rule acted instead of the job's policy."""

    OUT_OF_DISTRIBUTION = "OutOfDistribution"
    INEFFECTIVE = "IneffectiveScaling"
    POLICY_FAILED = "PolicyFailed"


class Reason(enum.StrEnum):
    """What a decision did, in one word. Limited: the envelope moved what the policy would have left."""

    BURST_AHEAD = "BurstAhead"
    BACKLOG_GROWING = "BacklogGrowing"
    LOAD_RISING = "LoadRising"
    LOAD_FALLING = "LoadFalling"
    MEMORY_CHANGE = "MemoryChange"
    SHUFFLE_CHANGE = "ShuffleChange"
    LIMITED = "Limited"
    STEADY = "Steady"
    HELD = "Held"


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
