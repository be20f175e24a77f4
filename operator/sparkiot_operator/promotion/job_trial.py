"""The trial of one job: taken up from its status, and begun anew for another version of the policy."""

from sparkiot_operator.policies_store import UnavailablePolicy
from sparkiot_policies.allocation import Allocation
from sparkiot_policies.job import Job
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.promotion.verdict import Terms
from sparkiot_sim.shadow.trial import Trial

from .view import ShadowView, StoredTrial


class JobTrial:
    """stored: what an earlier process left; None for a job that comes into the shadow. now: epoch seconds of job
    time."""

    def __init__(
        self,
        job: Job,
        *,
        policy: Policy,
        rule: Policy,
        meta: MetaController | None,
        terms: Terms,
        preset: str,
        allocation: Allocation,
        stored: StoredTrial | None,
        now: float,
    ) -> None:
        self._job = job
        self._terms = terms
        self._preset = preset
        self._version = stored.version if stored else None
        same = stored if stored and (_unloaded(policy) or policy.identity == stored.version) else None
        self.trial = Trial(
            job,
            policy=policy,
            rule=rule,
            meta=meta,
            terms=terms,
            preset=preset,
            now=now,
            allocation=same.allocation if same else allocation,
            standing=same.standing if same else None,
            evidence=same.evidence if same else None,
        )
        if not _unloaded(policy):
            self._version = policy.identity

    def renew(
        self, *, policy: Policy, rule: Policy, meta: MetaController | None, allocation: Allocation, now: float
    ) -> None:
        """The policies as they are now. Another version has earned nothing yet; one that cannot be loaded is the same.

        allocation: the job's.
        """
        self.trial.renew(policy=policy, rule=rule, meta=meta)
        if _unloaded(policy) or policy.identity == self._version:
            return
        if self._version is not None:
            self.trial = Trial(
                self._job,
                policy=policy,
                rule=rule,
                meta=meta,
                terms=self._terms,
                preset=self._preset,
                now=now,
                allocation=allocation,
            )
        self._version = policy.identity

    def edit(self, job: Job, terms: Terms, *, now: float) -> None:
        self._job, self._terms = job, terms
        self.trial.edit(job, terms, now=now)

    def view(self, now: float) -> ShadowView:
        trial = self.trial
        return ShadowView(
            version=self._version or trial.identity,
            allocation=trial.allocation,
            decision=None if trial.promoted else trial.decision,
            terms=trial.terms,
            standing=trial.standing,
            evidence=trial.evidence,
            verdict=trial.verdict,
            cooling_s=trial.standing.cooling_s(trial.terms, now),
        )


def _unloaded(policy: Policy) -> bool:
    return isinstance(policy, UnavailablePolicy)
