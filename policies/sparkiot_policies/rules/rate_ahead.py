"""RateAhead: Rate, fed with the edge's prediction where it is higher than the load: it scales up before a burst.

The strongest rival without learning: all it lacks is to know which tier, memory and risk a moment is worth.
"""

from dataclasses import dataclass
from typing import ClassVar

from sparkiot_policies.observation import Observation

from .rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class RateAhead(Rate):
    """See Rate. Never below what Rate provides for: a prediction of less load is not acted upon before it comes."""

    NAME: ClassVar[str] = "RateAhead"
    NEEDS: ClassVar[tuple[str, ...]] = (*Rate.NEEDS, "predicted_rate")

    def rate(self, observation: Observation) -> float:
        rate, *_, predicted = self.measured(observation)
        return max(rate, predicted)
