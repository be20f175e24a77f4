"""From ``spec.policy.promotion`` and ``spec.policy.canary`` to the values that the rules know."""

import hashlib

from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.promotion import Canary, Promotion
from sparkiot_operator.resource.spec import PolicyRef, SparkIoTJobSpec
from sparkiot_policies.promotion.canary import CanaryTerms
from sparkiot_policies.promotion.verdict import Terms

LIVE_PRESET = "calibrated"
"""Where the model of a live job takes what cannot be measured on it: what was measured with real Spark."""


def terms_of(promotion: Promotion) -> Terms:
    return Terms(
        automatic=promotion.automatic,
        observe_s=seconds(promotion.observation),
        decisions=promotion.decisions,
        attainment_margin=promotion.margin.attainment,
        cost_margin=promotion.margin.cost,
        max_model_error=promotion.max_model_error,
        cool_down_s=seconds(promotion.cooldown),
    )


def canary_terms_of(canary: Canary) -> CanaryTerms:
    return CanaryTerms(
        share=canary.share, margin=canary.margin, observe_s=seconds(canary.observation), batches=canary.batches
    )


def fingerprint(canary: Canary) -> str:
    """The same for jobs that state the same canary. An edit makes another, but for its share: a canary may spread."""
    return hashlib.sha256(canary.model_dump_json(exclude={"share"}).encode()).hexdigest()[:16]


def tried(ref: PolicyRef, canary: Canary) -> PolicyRef:
    """What the job refers to while it tries the canary. A digest of the job's own is not the other's."""
    return ref.model_copy(update={"name": canary.name or ref.name, "digest": canary.digest})


def preset_of(spec: SparkIoTJobSpec, *, live: bool) -> str:
    """Whose constants stand where nothing can be measured."""
    return LIVE_PRESET if live or spec.simulation is None else spec.simulation.preset
