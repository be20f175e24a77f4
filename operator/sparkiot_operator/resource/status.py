"""``status`` of a SparkIoTJob: what the operator saw and decided. Decimals are strings, as Kubernetes' API asks."""

import enum
from typing import Literal

from pydantic import Field

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_policies.job import Mode

from .allocation import AllocationStatus
from .base import Model
from .promotion_status import CanaryStatus, ShadowStatus


class Phase(enum.StrEnum):
    PENDING = "Pending"
    """It does not run yet, or not at the moment; `Ready` says why."""
    RUNNING = "Running"
    """Its driver runs, or the simulation does."""
    SUSPENDED = "Suspended"
    """Stopped by `spec.suspend`."""
    COMPLETED = "Completed"
    """It came to its end by itself."""
    FAILED = "Failed"
    """It failed and is not started again until its spec is edited."""


class ConditionType(enum.StrEnum):
    READY = "Ready"
    """Whether data is processed and, when not, why."""
    POLICY_LOADED = "PolicyLoaded"
    """Whether the job's policy is loaded."""
    OBSERVATION_FRESH = "ObservationFresh"
    """Whether decisions rest on fresh measurements."""
    OBJECTIVE_MET = "ObjectiveMet"
    """Whether enough micro-batches are within the latency target."""
    SCALING_LIMITED = "ScalingLimited"
    """Whether the safety envelope changed the last proposal. The reason is the first code; the message has them all."""
    SHUFFLE_TIERS_READY = "ShuffleTiersReady"
    """Whether every stated shuffle tier works. While one fails the job runs on another; the reason names the first that
    fails, and its trouble."""
    SIGNAL_FRESH = "SignalFresh"
    """Whether burst signals from the edge arrive, for a job that follows some."""
    PROMOTED = "Promoted"
    """Whether the policy of a job of mode Shadow acts; when not, the reason says what it lacks."""
    CANARY_HEALTHY = "CanaryHealthy"
    """Whether the new version of a policy that a share of the jobs tries may stay, for a job that states a canary."""
    DEGRADED = "Degraded"
    """Whether the job runs, but not as it should."""


class Condition(Model):
    """One condition, as in metav1.Condition."""

    type: str = Field(description="Type of the condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(description="Stable reason in CamelCase.")
    message: str = Field(description="What it means and what to do.")
    last_transition_time: str = Field(description="When the status last changed, RFC 3339.")
    observed_generation: int | None = Field(None, description="Generation of the spec that it speaks of.")


class DesiredStatus(AllocationStatus):
    generation: int | None = Field(None, description="Grows with every change, so that a driver knows the newest.")


class AppliedStatus(AllocationStatus):
    """What the running job has, beside what it shall have."""

    generation: int | None = Field(None, description="Generation of the allocation that was applied last.")
    time: str | None = Field(None, description="When it was in force, RFC 3339.")
    cost: str | None = Field(None, description="How long it took: executors to register, or the outage of a restart.")


class FailureStatus(Model):
    time: str = Field(description="When it was seen, RFC 3339.")
    reason: str = Field(description="Stable reason in CamelCase.")
    message: str = Field(description="The cause, as the pod told it.")
    pod_uid: str = Field(description="The pod that failed.")


class DriverStatus(Model):
    """The Spark driver of a live job."""

    pod: str = Field(description="Name of the driver pod.")
    pod_uid: str | None = Field(None, description="The pod that runs or ran last.")
    started: str | None = Field(None, description="When that pod was created, RFC 3339.")
    application_id: str | None = Field(None, description="Spark's own name of the application.")
    spark_version: str | None = Field(None, description="Spark release that runs.")
    restarts: int = Field(0, description="Drivers that replaced a failed one since the job was created.")
    failures: int = Field(0, description="Failures in a row; forgotten after restartPolicy.resetAfter.")
    last_failure: FailureStatus | None = Field(None, description="The last failure.")
    next_start: str | None = Field(None, description="When a failed driver is started again, RFC 3339.")
    failed_batches: int | None = Field(None, description="Micro-batches that failed since this pod's driver started.")
    startup: str | None = Field(None, description="Last time from an executor's request to its registration.")
    restart_cost: str | None = Field(None, description="Last outage of a restart from the checkpoint.")


class TierTroubleStatus(Model):
    tier: Tier = Field(description="The tier that fails.")
    reason: str = Field(description="Stable reason in CamelCase.")
    message: str = Field(description="What is wrong, where, and what to do.")
    since: str | None = Field(None, description="When it was first seen to fail, RFC 3339.")
    next_try: str | None = Field(None, description="When a batch tries it again, RFC 3339.")


class ShuffleStatus(Model):
    """The tiered shuffle, by its newest micro-batch."""

    wanted_tier: Tier = Field(description="Tier of the allocation as the batch began.")
    tier: Tier = Field(description="Tier that most of its bytes went to.")
    compression: Compression = Field(description="Compression of its blocks.")
    raw_bytes: int | None = Field(None, description="Bytes of its rows before compression.")
    stored_bytes: int | None = Field(None, description="Bytes of its blocks.")
    ratio: str | None = Field(None, description="Stored by raw bytes.")
    write_time: str | None = Field(None, description="Time that tasks wrote, summed over them.")
    read_time: str | None = Field(None, description="Time that tasks read, summed over them.")
    batch_time: str | None = Field(None, description="From its first exchange to its commit.")
    batches: int | None = Field(None, description="Micro-batches that used it since this driver started.")
    repeated_batches: int | None = Field(None, description="Repetitions of batches whose blocks were lost.")
    temperature: str | None = Field(None, description="Probability that the data is read again, 0 to 1.")
    failing: list[TierTroubleStatus] = Field([], description="Tiers that fail now; others stand in for them.")


class PolicyStatus(Model):
    name: str = Field(description="Name of the policy.")
    digest: str = Field(description="Digest of its artifact, builtin for a rule.")


class DecisionStatus(Model):
    time: str = Field(description="Job time of the decision, RFC 3339.")
    reason: str = Field(description="What the decision did, in one word.")
    clamps: list[str] = Field([], description="Codes of the bounds that changed the proposal.")
    message: str = Field(description="One sentence that explains the decision.")
    policy: PolicyStatus = Field(description="The policy that made the proposal.")
    fallback: str | None = Field(None, description="Why the fallback rule acted instead of the job's policy.")


class SloStatus(Model):
    attainment: str = Field(description="Share of micro-batches that met the latency target.")
    window: str = Field(description="Time over which it is counted.")


class LatencyStatus(Model):
    observed: str = Field(description="End-to-end latency at the objective's quantile over the metrics window.")
    target: str = Field(description="The objective.")


class SignalStatus(Model):
    """Burst signals from the edge, since the operator follows them."""

    time: str | None = Field(None, description="When the newest one was made, RFC 3339, by the operator's clock.")
    source: str | None = Field(None, description="Gateway and group of topics that it came from.")
    accepted: int = Field(0, description="Signals that were believed.")
    dropped: dict[str, int] = Field({}, description="Signals that were not, by reason.")
    skew: str | None = Field(None, description="How far the gateway's clock is behind; negative when it is ahead.")


class SimulationStatus(Model):
    origin: str = Field(description="Real time at which the simulation began, RFC 3339.")
    time: str = Field(description="Job time of the last observation, RFC 3339.")


class SparkIoTJobStatus(Model):
    """Observed state of a streaming job."""

    phase: Phase | None = Field(None, description="Pending, Running, Suspended, Completed or Failed.")
    observed_generation: int | None = Field(None, description="Generation of the spec that was acted on last.")
    conditions: list[Condition] = Field([], description="Ready, PolicyLoaded, ObservationFresh, ObjectiveMet, …")
    replicas: int | None = Field(None, description="Running executors.")
    allocation: DesiredStatus | None = Field(None, description="Allocation that the job shall have.")
    applied: AppliedStatus | None = Field(None, description="Allocation that the running job has.")
    recommended: AllocationStatus | None = Field(None, description="The policy's proposal before any bound.")
    decision: DecisionStatus | None = Field(None, description="The last decision that changed anything.")
    slo: SloStatus | None = Field(None, description="Attainment of the latency objective.")
    latency: LatencyStatus | None = Field(None, description="Latency against its objective.")
    backlog: int | None = Field(None, description="Messages that wait for a micro-batch.")
    cost_per_hour: str | None = Field(None, description="Dollars an hour that are billed now.")
    shuffle: ShuffleStatus | None = Field(
        None, description="What the tiered shuffle did; absent for a job that has not used it."
    )
    mode: Mode | None = Field(
        None, description="Mode in force: spec.scaling.mode, or Active where a policy in shadow was promoted."
    )
    shadow: ShadowStatus | None = Field(
        None, description="The policy on trial beside the rule; absent for a job that is in no shadow."
    )
    canary: CanaryStatus | None = Field(
        None, description="What the job does in a canary; absent for a job that states none."
    )
    memory_floor: str | None = Field(
        None, description="Least memory of an executor since one ran out of it; absent while none did."
    )
    signal: SignalStatus | None = Field(None, description="Burst signals; absent for a job that follows none.")
    driver: DriverStatus | None = Field(None, description="The Spark driver; absent for a simulated job.")
    simulation: SimulationStatus | None = Field(None, description="Where the simulated backend stands.")
