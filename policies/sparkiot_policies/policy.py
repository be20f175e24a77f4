"""The protocols that a policy and a meta-controller fulfil. Both are pure: same input, same output."""

from typing import Protocol

from .allocation import Allocation
from .decision import PolicyIdentity
from .evaluation import Context, Evaluation
from .job import Job
from .objectives import Weights


class Policy(Protocol):
    """Proposes an allocation."""

    @property
    def identity(self) -> PolicyIdentity: ...

    def needs(self) -> tuple[str, ...]:
        """Names of the observation elements without which it cannot decide."""
        ...

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        """What lies outside of what the policy was trained on: observation elements by name, with what is strange about
        them where it is not the value itself; empty for a rule."""
        ...

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        """What it would allocate. Raises PolicyError when it cannot say."""
        ...


class MetaController(Protocol):
    """Sets the reward weights from the long-window context."""

    @property
    def identity(self) -> PolicyIdentity: ...

    def weights(self, context: Context) -> Weights: ...
