"""What a cycle shows of promotion and canary, for status, conditions, metrics and audit log."""

from dataclasses import dataclass

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import Decision, PolicyIdentity
from sparkiot_policies.job import Mode
from sparkiot_policies.promotion.canary import CanaryStanding
from sparkiot_policies.promotion.evidence import Evidence
from sparkiot_policies.promotion.standing import Standing
from sparkiot_policies.promotion.verdict import Terms, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowView:
    """version: the one on trial. allocation: what it would have the job at. decision: its own of this cycle; None once
    it acts itself. cooling_s: seconds for which nothing is promoted."""

    version: PolicyIdentity
    allocation: Allocation
    decision: Decision | None
    terms: Terms
    standing: Standing
    evidence: Evidence
    verdict: Verdict
    cooling_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrial:
    """What a status holds of a trial."""

    version: PolicyIdentity
    allocation: Allocation
    standing: Standing
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class CanaryView:
    """fingerprint: of what the job states. name, digest: of the policy that is tried."""

    fingerprint: str
    name: str
    digest: str | None
    standing: CanaryStanding


@dataclass(frozen=True, slots=True)
class PromotionView:
    """mode: in force from now on. shadow: None for a job that is in no shadow; canary: None without one."""

    mode: Mode
    shadow: ShadowView | None = None
    canary: CanaryView | None = None
