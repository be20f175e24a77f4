"""What to do about a job's driver pod: a pure function of what the API server shows, what is known, and the time.

There is never more than one driver of a job: its pod has one name, and a pod that is there is adopted or replaced, but
never joined by another. An operator that died between creating a pod and writing it down finds it here again.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.spec import RestartPolicy
from sparkiot_operator.resource.status import DriverStatus, FailureStatus, Phase
from sparkiot_operator.times import parse_timestamp, precise_timestamp, timestamp

from .diagnosis import DriverState, DriverView
from .restart_policy import GiveUp, backoff_s, next_start

CLOCK_SLACK_S = 5.0
"""By which the clocks of two operators may differ."""
OF_A_POD = ("pod_uid", "started", "application_id", "failed_batches")
"""What a driver's status says of one pod and not of its successor."""


class Step(enum.Enum):
    """What the backend does about the driver pod now."""

    CREATE = enum.auto()
    REPLACE = enum.auto()
    """Delete the pod that is there; a later turn creates its successor."""
    WAIT = enum.auto()
    RUN = enum.auto()


@dataclass(frozen=True, slots=True)
class Plan:
    """The step, what the status says meanwhile, and what must be remembered of the driver."""

    step: Step
    phase: Phase
    reason: str
    message: str
    driver: DriverStatus


def plan(
    view: DriverView,
    *,
    known: DriverStatus,
    wanted_hash: str,
    changed: Sequence[str],
    policy: RestartPolicy,
    now: float,
) -> Plan:
    """The next step for one job's driver.

    known: what its status says. wanted_hash: of the spec. changed: the fields in which the pod's spec differs from it,
    such as spec.application.image; empty when nobody knows. now: epoch seconds.
    """
    if view.state is DriverState.TERMINATING:
        message = "the driver pod ends; another one follows"
        return Plan(Step.WAIT, Phase.PENDING, "Restarting", message, _without_pod(known))
    attempts = _Attempts(policy, now)
    if view.state is DriverState.ABSENT:
        return attempts.absent(known)
    if known.pod_uid != view.uid or known.started is None:
        known = known.model_copy(update={"pod_uid": view.uid, "started": timestamp(view.started_at or now)})
    if view.spec_hash != wanted_hash:
        what = ", ".join(changed) or "the operator's template"
        message = f"the driver restarts from its checkpoint: {what} changed"
        return Plan(Step.REPLACE, Phase.PENDING, "SpecChanged", message, retried(_without_pod(known)))
    return attempts.there(view, known)


def retried(known: DriverStatus) -> DriverStatus:
    """A driver whose past is forgiven, as after an edit of its job: it has all its attempts again."""
    return known.model_copy(update={"failures": 0, "next_start": None, "last_failure": None})


@dataclass(frozen=True, slots=True)
class _Attempts:
    """How often and when a driver is started again. now: epoch seconds."""

    policy: RestartPolicy
    now: float

    def absent(self, known: DriverStatus) -> Plan:
        if known.pod_uid is not None:
            message = "the driver pod is gone: somebody deleted it by force, or its node was lost"
            failed = self._failed(known, "DriverLost", message, known.pod_uid)
            return self._decided(_without_pod(failed), step=Step.CREATE)
        if known.next_start is not None:
            if self._waits(known):
                return _waiting(known)
            known = known.model_copy(update={"restarts": known.restarts + 1, "next_start": None})
        return Plan(Step.CREATE, Phase.PENDING, "DriverStarting", "the driver pod is created", known)

    def there(self, view: DriverView, known: DriverStatus) -> Plan:
        """A pod that was made from the present spec."""
        if view.state is DriverState.RUNNING:
            return Plan(Step.RUN, Phase.RUNNING, "Running", "the driver runs", self._recovered(known))
        if view.state is DriverState.PENDING:
            return Plan(Step.WAIT, Phase.PENDING, view.reason, view.message, known)
        if view.state is DriverState.SUCCEEDED and self.policy.type != "Always":
            return Plan(Step.WAIT, Phase.COMPLETED, "Completed", "the application ended by itself", known)
        if known.last_failure is None or known.last_failure.pod_uid != view.uid:
            # An application that ends well and shall always run is started again for ever.
            known = retried(known) if view.state is DriverState.SUCCEEDED else known
            reason, message = view.reason or "ApplicationEnded", view.message or "the application ended by itself"
            known = self._failed(known, reason, message, view.uid or "").model_copy(update={"next_start": None})
        return self._decided(known, step=Step.REPLACE, permanent=view.permanent)

    def _decided(self, known: DriverStatus, *, step: Step, permanent: bool = False) -> Plan:
        """Another attempt, now or later, or none. When it is due is decided once and kept as ``next_start``."""
        failure = known.last_failure
        if failure is None:
            raise ValueError("a driver that ended has a failure")
        if known.next_start is None:
            verdict = next_start(self.policy, failures=known.failures, permanent=permanent, now=self.now)
            if isinstance(verdict, GiveUp):
                message = f"{failure.message} ({verdict.reason})"
                return Plan(Step.WAIT, Phase.FAILED, failure.reason, message, known)
            known = known.model_copy(update={"next_start": precise_timestamp(verdict.at)})
        if self._waits(known):
            return _waiting(known)
        restarted = known.model_copy(update={"restarts": known.restarts + 1, "next_start": None})
        message = f"another driver is started: {failure.message}"
        return Plan(step, Phase.PENDING, "Restarting", message, _without_pod(restarted))

    def _waits(self, known: DriverStatus) -> bool:
        """Whether its next start is still to come. One that is further off than any wait was noted by a clock that has
        been set back since, and is due."""
        if known.next_start is None:
            return False
        left = parse_timestamp(known.next_start) - self.now
        return 0.0 < left <= backoff_s(self.policy, known.failures) + CLOCK_SLACK_S

    def _failed(self, known: DriverStatus, reason: str, message: str, pod_uid: str) -> DriverStatus:
        failure = FailureStatus(time=timestamp(self.now), reason=reason, message=message, pod_uid=pod_uid)
        ran = self._recovered(known)
        return ran.model_copy(update={"failures": ran.failures + 1, "last_failure": failure})

    def _recovered(self, known: DriverStatus) -> DriverStatus:
        """Without its failures, once it ran for long enough."""
        ran = 0.0 if known.started is None else self.now - parse_timestamp(known.started)
        if not known.failures or ran < seconds(self.policy.reset_after):
            return known
        return known.model_copy(update={"failures": 0})


def _waiting(known: DriverStatus) -> Plan:
    failure = known.last_failure
    reason, message = (failure.reason, failure.message) if failure else ("DriverStarting", "the driver waits")
    message = f"{message}; attempt {known.failures + 1} is at {known.next_start}"
    return Plan(Step.WAIT, Phase.PENDING, reason, message, known)


def _without_pod(known: DriverStatus) -> DriverStatus:
    return known.model_copy(update=dict.fromkeys(OF_A_POD))
