"""Learned policies whose answers are timed. The policies themselves know no clock."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Context, Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.objectives import Weights
from sparkiot_policies.policy import MetaController, Policy

Timer = Callable[[], AbstractContextManager[object]]
"""Measures the time of its ``with`` block."""


@dataclass(frozen=True, slots=True)
class TimedPolicy:
    """The same policy; two are equal that time the same one."""

    policy: Policy
    timer: Timer

    @property
    def identity(self) -> PolicyIdentity:
        return self.policy.identity

    def needs(self) -> tuple[str, ...]:
        return self.policy.needs()

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        return self.policy.unfamiliar(evaluation)

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        with self.timer():
            return self.policy.propose(job, evaluation)


@dataclass(frozen=True, slots=True)
class TimedMetaController:
    """The same meta-controller."""

    meta: MetaController
    timer: Timer

    @property
    def identity(self) -> PolicyIdentity:
        return self.meta.identity

    def weights(self, context: Context) -> Weights:
        with self.timer():
            return self.meta.weights(context)
