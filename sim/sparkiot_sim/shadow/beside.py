"""A policy that decides beside the one that acts, and whose familiarity with the job is judged by the job as it is."""

from dataclasses import replace

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.observation import Observation
from sparkiot_policies.policy import Policy


class Beside:
    """It remembers executors of its own, and others run: that would look like a job which has what nobody asked for.

    world: what is observed of the job, with the allocation that is really in force.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.world = Observation()

    @property
    def identity(self) -> PolicyIdentity:
        return self.policy.identity

    def needs(self) -> tuple[str, ...]:
        return self.policy.needs()

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        return self.policy.unfamiliar(replace(evaluation, observation=self.world))

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        return self.policy.propose(job, evaluation)
