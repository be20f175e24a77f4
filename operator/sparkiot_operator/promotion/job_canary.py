"""What one job does in a canary, from the first of its batches that count to the verdict."""

from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.promotion import Canary
from sparkiot_policies.decision import Decision
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import Measurement
from sparkiot_policies.promotion.canary import TRYING, CanaryStanding, CanaryState, why_withdrawn
from sparkiot_policies.promotion.evidence import NOTHING, Account

from .board import CanaryBoard
from .terms import canary_terms_of, fingerprint


class JobCanary:
    """standing: as an earlier process left it; None to begin at ``now``, epoch seconds of job time."""

    def __init__(
        self, canary: Canary, ref: JobRef, board: CanaryBoard, *, now: float, standing: CanaryStanding | None = None
    ) -> None:
        self.spec = canary
        self.fingerprint = fingerprint(canary)
        self.standing = standing or CanaryStanding(since=now)
        self._terms = canary_terms_of(canary)
        self._uid = ref.uid
        self._key = (ref.namespace, self.fingerprint)
        self._board = board
        self._seen: float | None = None
        self._report()

    def edit(self, canary: Canary) -> None:
        """Take over another share; what else is edited makes another canary."""
        self.spec, self._terms = canary, canary_terms_of(canary)

    @property
    def trying(self) -> bool:
        """Whether the job's policy is the canary's."""
        return self.standing.state in TRYING

    def step(self, measurement: Measurement | None, decision: Decision, *, job: Job, now: float) -> None:
        """After a decision. Only what a policy did by itself counts: nothing while the job is paused, only advised, or
        led by the rule of its shadow."""
        reason = self._board.withdrawn(self._key)
        if self.standing.state is not CanaryState.WITHDRAWN and reason is not None:
            self.standing = self.standing.withdrawn(reason, now)
        if job.mode is Mode.ACTIVE and self.standing.state is not CanaryState.WITHDRAWN:
            self._take(measurement, decision, job, now)
        self._report()

    def _take(self, measurement: Measurement | None, decision: Decision, job: Job, now: float) -> None:
        if self.trying and decision.fallback is not None:
            reason = f"the rule had to act for it ({decision.fallback.value}): {decision.detail}"
            self.standing = self.standing.withdrawn(reason, now)
            return
        standing = self.standing.counted(self._terms, self._account(measurement, job))
        fell = why_withdrawn(self._terms, standing, self._board.others(self._key, self._uid))
        if fell is not None:
            self.standing = standing.withdrawn(fell, now)
        else:
            self.standing = standing.advanced(self._terms, uid=self._uid, canary=self.fingerprint, now=now)

    def _account(self, measurement: Measurement | None, job: Job) -> Account:
        """Of the time since the last look; nobody asks what it cost."""
        if measurement is None:
            return NOTHING
        before, self._seen = self._seen, measurement.time
        seconds = 0.0 if before is None else max(measurement.time - before, 0.0)
        return Account.of(measurement, target_ms=job.objectives.latency_target_ms, seconds=seconds, dollars=0.0)

    def _report(self) -> None:
        self._board.report(self._key, self._uid, self.standing)
