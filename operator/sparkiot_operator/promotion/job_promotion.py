"""Who acts for one job: its policy, the rule of its shadow, or the new version that it tries."""

from dataclasses import replace

from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.spec import PolicyRef, SparkIoTJobSpec
from sparkiot_operator.resource.status import SparkIoTJobStatus
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import Decision
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import EdgeSignal, Measurement
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_sim.shadow.trial import mode_in_force

from .board import CanaryBoard
from .job_canary import JobCanary
from .job_trial import JobTrial
from .stored import stored_canary, stored_trial
from .terms import fingerprint, preset_of, terms_of, tried
from .view import CanaryView, PromotionView


class JobPromotion:
    """status: as an earlier process left it. board: of all jobs. live: whether Spark runs the job. now: epoch seconds
    of job time."""

    def __init__(
        self,
        spec: SparkIoTJobSpec,
        job: Job,
        *,
        ref: JobRef,
        board: CanaryBoard,
        status: SparkIoTJobStatus,
        live: bool,
        now: float,
    ) -> None:
        self._spec = spec
        self._job = job
        self._ref = ref
        self._board = board
        self._live = live
        self._status = status
        self._trial: JobTrial | None = None
        self._canary: JobCanary | None = None
        self._follow_canary(now)

    def edit(self, spec: SparkIoTJobSpec, job: Job, *, now: float) -> None:
        """Take over an edited spec, and the job that it makes."""
        self._spec, self._job = spec, job
        if self._trial is not None:
            self._trial.edit(job, terms_of(spec.policy.promotion), now=now)
        self._follow_canary(now)

    @property
    def policy_ref(self) -> PolicyRef:
        """The policy of the job as it is now: the spec's, or the canary's while the job tries it."""
        ref = self._spec.policy
        return tried(ref, self._canary.spec) if self._canary is not None and self._canary.trying else ref

    def lead(
        self, controller: Controller, *, policy: Policy, rule: Policy, meta: MetaController | None, now: float
    ) -> None:
        """Have the controller decide by who is to act now. policy: of ``policy_ref``. rule: of the job."""
        self._follow_trial(controller, policy=policy, rule=rule, meta=meta, now=now)
        shadowed = self._trial is not None and not self._trial.trial.promoted
        controller.act_by(rule if shadowed else policy)
        controller.fallback, controller.meta = rule, meta
        if controller.job.mode is not self._mode:
            controller.job = replace(controller.job, mode=self._mode)

    def step(
        self, measurement: Measurement | None, *, signal: EdgeSignal | None, decision: Decision, job: Job, now: float
    ) -> PromotionView:
        """After a decision of ``job``, which has the mode that it was taken in."""
        if self._trial is not None and self._spec.scaling.mode is Mode.SHADOW:
            self._trial.trial.step(measurement, signal=signal, decision=decision, now=now)
        if self._canary is not None:
            self._canary.step(measurement, decision, job=job, now=now)
        return PromotionView(
            mode=self._mode,
            shadow=self._trial.view(now) if self._trial is not None else None,
            canary=self._canary_view(),
        )

    @property
    def _mode(self) -> Mode:
        return mode_in_force(self._spec.scaling.mode, self._trial.trial if self._trial is not None else None)

    def _follow_trial(
        self, controller: Controller, *, policy: Policy, rule: Policy, meta: MetaController | None, now: float
    ) -> None:
        """A pause keeps what the shadow has gathered; any other mode ends it."""
        mode, allocation = self._spec.scaling.mode, controller.history.allocation
        if self._trial is not None and mode in (Mode.SHADOW, Mode.PAUSED):
            self._trial.renew(policy=policy, rule=rule, meta=meta, allocation=allocation, now=now)
            return
        stored = stored_trial(self._status.shadow)
        self._trial = None
        if mode is Mode.SHADOW or (mode is Mode.PAUSED and stored is not None):
            self._trial = JobTrial(
                self._job,
                policy=policy,
                rule=rule,
                meta=meta,
                terms=terms_of(self._spec.policy.promotion),
                preset=preset_of(self._spec, live=self._live),
                allocation=allocation,
                stored=stored,
                now=now,
            )
        # What an earlier process left is taken up once, by the first cycle.
        self._status = self._status.model_copy(update={"shadow": None})

    def _follow_canary(self, now: float) -> None:
        stated, followed = self._spec.policy.canary, self._canary
        if stated is None:
            self._board.forget(self._ref.uid)
            self._canary = None
        elif followed is None or followed.fingerprint != fingerprint(stated):
            standing = stored_canary(self._status.canary, fingerprint(stated))
            self._canary = JobCanary(stated, self._ref, self._board, now=now, standing=standing)
        else:
            followed.edit(stated)

    def _canary_view(self) -> CanaryView | None:
        if self._canary is None:
            return None
        ref = tried(self._spec.policy, self._canary.spec)
        return CanaryView(self._canary.fingerprint, ref.name, ref.digest, self._canary.standing)
