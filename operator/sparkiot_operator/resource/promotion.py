"""``spec.policy.promotion`` and ``spec.policy.canary``: how a policy earns a job, and how a new version is tried."""

from pydantic import Field

from .base import Duration, Model, Name, Share, rules, section


class PromotionMargin(Model):
    attainment: Share = Field(
        0.005, description="Share of micro-batches: how much worse is still as good, and how much better is better."
    )
    cost: Share = Field(0.05, description="The same of cost, as a share of the rule's.")


class Promotion(Model):
    """What a job of mode Shadow asks of its policy. docs/how-to/promote-a-policy.md has the rule."""

    automatic: bool = Field(
        False, description="Let the policy act once it earned it, and the rule again when it has to fall back."
    )
    observation: Duration = Field("24h", description="Least time for which the policy is scored beside the rule.")
    decisions: int = Field(1000, ge=1, le=1000000, description="Least number of decisions that are scored.")
    margin: PromotionMargin = section(PromotionMargin, "What counts as worse and as better than the rule.")
    max_model_error: Share = Field(
        0.1,
        description="How far the model of the job may be from what was measured under the rule, "
        "in attainment and as a share of cost.",
    )
    cooldown: Duration = Field("24h", description="Time after a demotion in which nothing is promoted.")


class Canary(Model):
    """Another policy, or another version of the job's, for a share of the jobs that state the same canary."""

    model_config = rules(("has(self.name) || has(self.digest)", "state name, digest or both", ""))
    name: Name | None = Field(None, description="Policy that is tried; the job's own name when absent.")
    digest: str | None = Field(
        None, pattern="^sha256:[0-9a-f]{64}$", max_length=71, description="Digest that its artifact must have."
    )
    share: Share = Field(
        0.1, description="Share of the namespace's jobs with this canary that try it, 0 to 1. It may be raised."
    )
    margin: Share = Field(
        0.01, description="How far attainment may fall, beyond what it falls for jobs that keep their version."
    )
    observation: Duration = Field(
        "1h", description="Time over which attainment is known before the trial, and must hold in it."
    )
    batches: int = Field(100, ge=1, le=1000000, description="Least number of micro-batches of either time.")
