"""What all rules share: they are known by name, fear no input, and never take missing for zero."""

import math
from typing import ClassVar

from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.observation import Observation

MOST_EXECUTORS = 10_000
"""More executors than any proposal names, however small a measured capacity is."""


class Rule:
    """Base of the rules. ``NAME`` is how a job refers to it, ``NEEDS`` the elements without which it cannot decide."""

    __slots__ = ()
    NAME: ClassVar[str]
    NEEDS: ClassVar[tuple[str, ...]] = ()

    @property
    def identity(self) -> PolicyIdentity:
        return PolicyIdentity(self.NAME)

    def needs(self) -> tuple[str, ...]:
        return self.NEEDS

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        """Nothing: a rule was not trained."""
        return ()

    def measured(self, observation: Observation) -> list[float]:
        """The values of NEEDS, in that order. Raises ObservationMissingError when one is missing."""
        values: list[float | None] = [getattr(observation, name) for name in self.NEEDS]
        known = [v for v in values if v is not None]
        if len(known) < len(values):
            raise ObservationMissingError([n for n, v in zip(self.NEEDS, values, strict=True) if v is None])
        return known


def whole(executors: float) -> int:
    """The next whole number of executors, at least 1; what only rounding errors exceed is not rounded up."""
    return max(math.ceil(min(executors, MOST_EXECUTORS) - 1e-9), 1)
