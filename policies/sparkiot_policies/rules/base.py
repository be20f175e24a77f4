"""What all rules share: they are known by name, fear no input, and never take missing for zero."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Limits
from sparkiot_policies.observation import Observation

from .parameters import parameters

MOST_EXECUTORS = 10_000
"""More executors than any proposal names, however small a measured capacity is."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The one parameter that trades cost against latency, and the values that show the whole trade, in order."""

    parameter: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(ABC):
    """Base of the rules, whose fields are their parameters. Raises ValueError for a parameter out of its bounds.

    ``NAME`` is how a job refers to it, ``NEEDS`` the elements without which it cannot decide, ``SWEEP`` over what it is
    swept when rivals are compared by whole fronts.
    """

    NAME: ClassVar[str]
    NEEDS: ClassVar[tuple[str, ...]] = ()
    SWEEP: ClassVar[Sweep]

    def __post_init__(self) -> None:
        for p in parameters(type(self)):
            p.check(getattr(self, p.name))

    @property
    def identity(self) -> PolicyIdentity:
        """The name with each parameter that is not the default: ``Rate:utilization=0.8``."""
        values = [(p, getattr(self, p.name)) for p in parameters(type(self))]
        stated = [f"{p.name}={value}" for p, value in values if value != p.default]
        return PolicyIdentity(":".join([self.NAME, *stated]))

    def needs(self) -> tuple[str, ...]:
        return self.NEEDS

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        """Nothing: a rule was not trained."""
        return ()

    def limits(self, limits: Limits) -> Limits:
        """A job's limits at the pace of the platform that the rule comes from; the job's own where it has none.

        A rival that is compared plays by its own platform's pace: under ours it would be another rule than the one
        that users run.
        """
        return limits

    @abstractmethod
    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        """What it would allocate. Raises ObservationMissingError when it cannot say."""

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
