"""A policy on trial with one job of mode Shadow: what it decides beside the rule, the evidence, and where it stands.

    measurement ──> rule decides, acts ─────────────> twin of the rule ──┐
         └────────> policy decides for itself alone ─> its own twin ─────┴──> score ──> evidence ──> standing

The policy sees what the rule sees, which is the world that the rule made, and remembers its own allocation as if it had
been taken. The same trial runs live and in virtual time.
"""

import math
from dataclasses import replace

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import Decision, PolicyIdentity
from sparkiot_policies.history import History
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import EdgeSignal, Measurement
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.promotion.evidence import Evidence
from sparkiot_policies.promotion.standing import Stage, Standing
from sparkiot_policies.promotion.verdict import Terms, Verdict, judge
from sparkiot_sim.calibration import calibration_with

from .beside import Beside
from .fitted import FittedModel, fit_model
from .twins import Twins

LATE_INTERVALS = 3.0
"""Decision intervals without a measurement after which the models begin anew: nobody knows what arrived meanwhile."""


class Trial:
    """One policy beside one rule.

    identity: of the version on trial, also while it cannot be loaded. preset: of the calibration that the model takes
    what it cannot measure from. allocation: what the policy would have the job at. standing, evidence: as an earlier
    process left them. now: epoch seconds of job time.
    """

    def __init__(
        self,
        job: Job,
        *,
        policy: Policy,
        rule: Policy,
        meta: MetaController | None,
        terms: Terms,
        preset: str,
        now: float,
        allocation: Allocation,
        standing: Standing | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        self._job = job = replace(job, mode=Mode.SHADOW)
        self.terms = terms
        self.standing = standing or Standing(since=now)
        self.evidence = evidence or Evidence(since=now)
        self.decision: Decision | None = None
        self._beside = Beside(policy)
        self._candidate = Controller(
            job, policy=self._beside, fallback=rule, meta=meta, history=History(since=now, allocation=allocation)
        )
        self._begun = now
        self._base = calibration_with(preset)
        self._preset = preset
        self._twins: Twins | None = None
        self._agreed = False
        self._usual_rate: float | None = None
        self._measured: float | None = None

    @property
    def promoted(self) -> bool:
        """Whether the policy acts."""
        return self.standing.stage is Stage.ACTIVE

    @property
    def allocation(self) -> Allocation:
        """What the policy would have the job at; the job's own once it acts."""
        return self._candidate.history.allocation

    @property
    def verdict(self) -> Verdict:
        """What the evidence says now."""
        return judge(self.terms, self.evidence, quantile=self._job.objectives.quantile)

    @property
    def identity(self) -> PolicyIdentity:
        """The policy on trial."""
        return self._candidate.policy.identity

    def renew(self, *, policy: Policy, rule: Policy, meta: MetaController | None) -> None:
        """The same version, loaded again or not to be had for now."""
        self._beside.policy = policy
        self._candidate.fallback, self._candidate.meta = rule, meta

    def edit(self, job: Job, terms: Terms, *, now: float) -> None:
        """Take over an edited job. Evidence of other objectives or bounds is none: it is gathered anew. A pause edits
        neither."""
        self.terms = terms
        job = replace(job, mode=Mode.SHADOW)
        if job != self._job:
            self._candidate.job = self._job = job
            self._forget(now)
        if self.promoted and not terms.automatic:
            self.standing = self.standing.withheld(now)
            self._begin_again(now, self.allocation)

    def step(
        self, measurement: Measurement | None, *, signal: EdgeSignal | None, decision: Decision, now: float
    ) -> None:
        """After ``decision`` was taken at ``now``, by the rule or, once promoted, by the policy."""
        if self.promoted:
            self._candidate.history = replace(self._candidate.history, allocation=decision.allocation)
            if decision.fallback is not None:
                self.standing = self.standing.demoted(decision.fallback, decision.detail, now)
                self._begin_again(now, decision.allocation)
            return
        self._shadow(measurement, signal=signal, decision=decision, now=now)
        self.standing = self.standing.promoted(self.terms, self.verdict, now)

    def _shadow(
        self, measurement: Measurement | None, *, signal: EdgeSignal | None, decision: Decision, now: float
    ) -> None:
        candidate = self._candidate
        self._beside.world = decision.observation
        evaluation, proposed = candidate.step(measurement, signal=signal, now=now)
        candidate.accept(evaluation, proposed)
        # What a scale-up brought cannot be seen in a job that did not scale.
        candidate.history = replace(candidate.history, last_scale_up=None)
        self.decision = proposed
        self._score(measurement, decision, proposed.allocation)
        if proposed.fallback is not None:
            # A policy that would have lost the job just now has nothing to show for itself.
            self.evidence = Evidence(since=now)

    def _score(self, measurement: Measurement | None, decision: Decision, allocation: Allocation) -> None:
        if measurement is None or measurement.rate is None:
            return
        usual = self._usual(measurement.time, measurement.rate)
        late = self._twins and measurement.time - self._twins.time > LATE_INTERVALS * self._job.interval_s
        model = self._model(measurement, usual)
        if late or self._twins is None:
            self._twins = self._begin_twins(model, measurement, decision.allocation, allocation)
        else:
            score = self._twins.advance(measurement, job=self._job, weights=decision.weights, agreed=self._agreed)
            if score is not None:
                terms = self.terms
                self.evidence = self.evidence.after(score, enough_s=terms.observe_s, enough=terms.decisions)
            if model is not None:
                self._twins.retune(model)
            self._twins.apply(rule=decision.allocation, candidate=allocation)
        self._agreed = decision.allocation.executors == allocation.executors

    def _begin_twins(
        self, model: FittedModel | None, measurement: Measurement, rule: Allocation, candidate: Allocation
    ) -> Twins | None:
        """Once the metrics window is full: the first batches say little of those to come."""
        if model is None or measurement.time - self._begun < self._job.metrics_window_s:
            return None
        return Twins(model, measurement, job=self._job, rule=rule, candidate=candidate)

    def _model(self, measurement: Measurement, usual_rate: float) -> FittedModel | None:
        cost = self._candidate.window.cost
        return fit_model(measurement, cost, usual_rate=usual_rate, base=self._base, preset=self._preset)

    def _usual(self, time: float, rate: float) -> float:
        """The rate that state follows, messages/s."""
        if self._usual_rate is None or self._measured is None:
            self._usual_rate = rate
        else:
            fade = math.exp(min(self._measured - time, 0.0) / self._base.memory.state_window_s.value)
            self._usual_rate = fade * self._usual_rate + (1 - fade) * rate
        self._measured = time
        return self._usual_rate

    def _begin_again(self, now: float, allocation: Allocation) -> None:
        """From where the job is, with no evidence but what comes."""
        candidate = self._candidate
        candidate.history = History(since=now, allocation=allocation, weights=candidate.history.weights)
        self._forget(now)

    def _forget(self, now: float) -> None:
        self.evidence, self._twins = Evidence(since=now), None


def mode_in_force(mode: Mode, trial: Trial | None) -> Mode:
    """How much the policy of a job may do now: a job in shadow is active once its policy is promoted."""
    return Mode.ACTIVE if mode is Mode.SHADOW and trial is not None and trial.promoted else mode
