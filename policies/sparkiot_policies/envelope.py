"""The safety envelope."""

from .allocation import Allocation
from .decision import Clamp, FallbackCode
from .evaluation import Evaluation
from .job import Job
from .policy import Policy


def constrain(job: Job, evaluation: Evaluation, proposal: Allocation) -> tuple[Allocation, tuple[Clamp, ...]]:
    return proposal, ()


def fallback_reason(job: Job, evaluation: Evaluation, policy: Policy) -> tuple[FallbackCode | None, str]:
    return None, ""
