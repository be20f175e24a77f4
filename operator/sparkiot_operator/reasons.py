"""The stable reasons of conditions and events, each with its meaning: the reference pages are written from here.

``Ready`` has none of its own here: it passes on what backend, pods and driver say.
"""

import enum
from collections.abc import Mapping

from sparkiot_policies.decision import ClampCode, FallbackCode
from sparkiot_policies.promotion.verdict import VerdictCode

from .resource.status import ConditionType


class PolicyReason(enum.StrEnum):
    LOADED = "Loaded"
    """The policy of the job is loaded; the message has its digest."""
    POLICY_FAILED = "PolicyFailed"
    """It, or what it needs, could not be loaded: the fallback rule acts, and loading is tried again."""


class ObservationReason(enum.StrEnum):
    OBSERVED = "Observed"
    """Measurements arrive in time."""
    OBSERVATION_STALE = "ObservationStale"
    """None arrived for `staleAfter`; the allocation is held. The message has the last error."""
    SUSPENDED = "Suspended"
    """The job is suspended: nothing runs that could be observed."""


class ObjectiveReason(enum.StrEnum):
    OBJECTIVE_MET = "ObjectiveMet"
    """As many micro-batches are within the latency target as the objective's quantile asks for."""
    OBJECTIVE_MISSED = "ObjectiveMissed"
    """Fewer are."""
    NO_BATCHES = "NoBatches"
    """No micro-batch has completed yet."""


class LimitedReason(enum.StrEnum):
    WITHIN_BOUNDS = "WithinBounds"
    """The job gets what its policy proposed."""


class ShuffleReason(enum.StrEnum):
    TIERS_WORK = "TiersWork"
    """No stated tier fails."""
    NOT_CHECKED = "NotChecked"
    """They were not looked at yet."""


class SignalReason(enum.StrEnum):
    RECEIVED = "Received"
    """Signals that are believed arrive in time."""
    WAITING = "Waiting"
    """None was believed yet, and the job follows its source only for a moment."""
    CONNECTING = "Connecting"
    """The source is not reached yet, and the job follows it only for a moment."""
    UNREACHABLE = "SignalSourceUnreachable"
    """The source is not reached: no burst can be announced. The message says why."""
    SIGNAL_STALE = "SignalStale"
    """None was believed for `staleAfter`. The message counts what was dropped, and why."""
    NO_SOURCE = "NoSource"
    """The job follows no signals any more."""


class PromotionReason(enum.StrEnum):
    PROMOTED = "Promoted"
    """The policy earned the job and acts."""
    DEMOTED = "Demoted"
    """It acted until the fallback rule had to; nothing is promoted until the cool-down is over."""
    NOT_IN_SHADOW = "NotInShadow"
    """The job is in no shadow any more."""


class CanaryReason(enum.StrEnum):
    BASELINE = "Baseline"
    """The attainment of the job is not known for long enough to try anything."""
    TRIAL = "Trial"
    """The job tries the new version."""
    CONTROL = "Control"
    """The job keeps its version, and others are compared with it."""
    PASSED = "Passed"
    """The job tries the new version and kept its attainment for as long as the canary asks for."""
    WITHDRAWN = "Withdrawn"
    """The new version was taken away; it is not tried again until the canary is edited."""
    NO_CANARY = "NoCanary"
    """The job states no canary any more."""


class DegradedReason(enum.StrEnum):
    AS_EXPECTED = "AsExpected"
    """Nothing stands in for the policy, and every executor finds room."""
    UNSCHEDULABLE = "Unschedulable"
    """The cluster has no room for some of the executors."""
    EXECUTORS_ENDING = "ExecutorsEnding"
    """Executors have to end, as in a drain of their node or by a spot notice; replacements are asked for ahead."""
    CYCLE_FAILED = "CycleFailed"
    """A turn of the loop failed, which is a defect of the operator: its log has the trace."""


REASONS: Mapping[ConditionType, tuple[type[enum.StrEnum], ...]] = {
    ConditionType.POLICY_LOADED: (PolicyReason,),
    ConditionType.OBSERVATION_FRESH: (ObservationReason,),
    ConditionType.OBJECTIVE_MET: (ObjectiveReason,),
    ConditionType.SCALING_LIMITED: (LimitedReason, ClampCode),
    ConditionType.SHUFFLE_TIERS_READY: (ShuffleReason,),
    ConditionType.SIGNAL_FRESH: (SignalReason,),
    ConditionType.PROMOTED: (PromotionReason, VerdictCode),
    ConditionType.CANARY_HEALTHY: (CanaryReason,),
    ConditionType.DEGRADED: (DegradedReason, FallbackCode),
}


class EventReason(enum.StrEnum):
    """Reasons of events of our own; further ones are reasons of conditions."""

    STARTED = "Started"
    """The job runs."""
    SUSPENDED = "Suspended"
    """The job was stopped by `spec.suspend`; its checkpoint is kept."""
    RESUMED = "Resumed"
    """The job goes on where it was suspended."""
    COMPLETED = "Completed"
    """The job came to its end."""
    GAVE_UP = "GaveUp"
    """The job failed and is not started again; only an edit of its spec does that."""
    SCALED_UP = "ScaledUp"
    """The job shall have more executors."""
    BURST_AHEAD = "BurstAhead"
    """The job shall have more executors, as the edge announces a burst."""
    SCALED_DOWN = "ScaledDown"
    """The job shall have fewer executors."""
    ALLOCATION_CHANGED = "AllocationChanged"
    """The job shall have other memory, another tier or another compression."""
    MEMORY_FLOOR_RAISED = "MemoryFloorRaised"
    """An executor ran out of memory: none gets as little from now on."""
    POLICY_LOADED = "PolicyLoaded"
    """The policy is loaded, at the start or anew."""
    POLICY_FAILED = "PolicyFailed"
    """The policy could not be loaded."""
    OBSERVATION_STALE = "ObservationStale"
    """Measurements no longer arrive; the allocation is held."""
    OBSERVATION_FRESH = "ObservationFresh"
    """Measurements arrive again."""
    SHUFFLE_TIER_FAILED = "ShuffleTierFailed"
    """A shuffle tier fails; another one stands in for it."""
    SHUFFLE_TIERS_RECOVERED = "ShuffleTiersRecovered"
    """Every shuffle tier works again."""
    QUOTA_REACHED = "QuotaReached"
    """The namespace's quota has no room for the executors that the job should have."""
    FALLBACK_ACTIVE = "FallbackActive"
    """The fallback rule acts instead of the job's policy; the message says why."""
    FALLBACK_ENDED = "FallbackEnded"
    """The job's policy acts again."""
    PROMOTED = "Promoted"
    """A policy in shadow earned the job and acts from now on."""
    READY_FOR_PROMOTION = "ReadyForPromotion"
    """A policy in shadow earned the job, which does not ask for promotion by itself."""
    DEMOTED = "Demoted"
    """A promoted policy had to fall back: the rule acts, and the policy is in shadow again."""
    BACK_IN_SHADOW = "BackInShadow"
    """A promoted policy is in shadow again without a fault of its own: another version was loaded, or the job no longer
    asks for promotion."""
    CANARY_STARTED = "CanaryStarted"
    """The job tries the new version of its canary."""
    CANARY_PASSED = "CanaryPassed"
    """The job kept its attainment with it for as long as the canary asks for."""
    CANARY_WITHDRAWN = "CanaryWithdrawn"
    """The new version was taken away; the message says why."""
    RECOVERED = "Recovered"
    """The job is no longer degraded."""
    SIGNAL_FRESH = "SignalFresh"
    """Burst signals arrive again."""
