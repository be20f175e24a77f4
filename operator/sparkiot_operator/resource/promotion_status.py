"""``status.shadow`` and ``status.canary``: what they say is also what a restarted operator goes on from."""

from pydantic import Field

from sparkiot_policies.promotion.canary import CanaryState
from sparkiot_policies.promotion.standing import Stage

from .allocation import AllocationStatus
from .base import Model


class AccountStatus(Model):
    batches: int = Field(description="Micro-batches that were counted.")
    attainment: str | None = Field(None, description="Share of them within the latency target.")
    cost_per_hour: str | None = Field(None, description="Dollars an hour.")


class ModelErrorStatus(Model):
    """How far the model is from what was measured under the rule."""

    attainment: str | None = Field(None, description="Difference of the attainments.")
    cost: str | None = Field(None, description="Difference of the costs as a share of the measured one.")


class DemotionStatus(Model):
    time: str = Field(description="Job time, RFC 3339.")
    reason: str = Field(description="Why the fallback rule had to act.")
    message: str = Field(description="The same for people.")
    cooldown_until: str = Field(description="Job time until which nothing is promoted, RFC 3339.")


class ShadowStatus(Model):
    """A policy on trial beside the rule."""

    policy: str = Field(description="Name of the policy.")
    digest: str = Field(description="Digest of its artifact, builtin for a rule.")
    stage: Stage = Field(description="Shadow while the rule acts, Active once the policy was promoted.")
    since: str = Field(description="Job time at which the stage began, RFC 3339.")
    verdict: str = Field(description="What the evidence says: Better where the policy may be promoted.")
    message: str = Field(description="The same for people.")
    samples_since: str = Field(description="Job time from which the evidence is, RFC 3339.")
    samples: int = Field(description="Decisions that were scored.")
    observed: str = Field(description="Time that was scored.")
    allocation: AllocationStatus = Field(description="What the policy would have the job at.")
    attainment: str | None = Field(None, description="The policy's by the model: share of batches within the target.")
    cost_per_hour: str | None = Field(None, description="The policy's by the model, in dollars.")
    batches: int = Field(description="Micro-batches of the model under the policy.")
    rule: AccountStatus = Field(description="The rule's by the same model.")
    measured: AccountStatus = Field(description="What was measured under the rule.")
    regret: str | None = Field(
        None, description="Reward of the rule's decisions less that of the policy's, in bills of the mean load."
    )
    agreement: str | None = Field(None, description="Share of decisions on as many executors as the rule has.")
    model_error: ModelErrorStatus = Field(description="How far the model is from what was measured.")
    promotions: int = Field(0, description="How often this version was promoted.")
    demotions: int = Field(0, description="How often it was demoted.")
    demotion: DemotionStatus | None = Field(None, description="The last demotion.")


class CanaryStatus(Model):
    """This job in a canary."""

    canary: str = Field(description="Fingerprint of spec.policy.canary: jobs with the same one belong together.")
    policy: str = Field(description="Policy that is tried.")
    digest: str | None = Field(None, description="Digest that its artifact must have.")
    state: CanaryState = Field(description="Baseline, Trial, Control, Passed or Withdrawn.")
    since: str = Field(description="Job time at which the state began, RFC 3339.")
    observed: str = Field(description="Time that was counted since then.")
    baseline: AccountStatus = Field(description="The job's batches before.")
    baseline_time: str = Field(description="Time over which they were counted.")
    current: AccountStatus = Field(description="The job's batches since.")
    reason: str | None = Field(None, description="Why it was withdrawn.")
