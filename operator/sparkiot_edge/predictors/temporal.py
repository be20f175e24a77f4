"""The thesis's seven temporal features under a logistic regression, whose numbers were fitted offline.

The rate that it predicts follows the short mean, as the fit does. That mean calls a burst which began a second ago a
fifth of what it is, and the job that the alarm wakes asks for what it hears then: so the newest rate counts where it is
higher, until the short mean knows of the burst.

The numbers are plain text beside this module; `python -m sparkiot_operator.edge_quality.fit` writes them from generated
loads.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, ClassVar

from .base import Prediction, Timing
from .features import NAMES, FeatureExtractor, values

FILE = "temporal.json"
MOST_GROWTH = math.log(2.0)
"""Logarithm of the largest change of the rate that is predicted: features of a load unlike those of the fit would
otherwise be multiplied into any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """intercept, weights: of the logit of the probability, by feature. growth_intercept, growth_weights: of the
    logarithm of the highest rate ahead over the present one. alarm: probability that raises it. clear: the one below
    which it ends; the distance keeps it from flickering.

    Raises ValueError unless there is one weight a feature and 0 < clear <= alarm < 1.
    """

    intercept: float
    weights: tuple[float, ...]
    growth_intercept: float
    growth_weights: tuple[float, ...]
    alarm: float
    clear: float

    def __post_init__(self) -> None:
        if len(self.weights) != len(NAMES) or len(self.growth_weights) != len(NAMES):
            raise ValueError(f"one weight is needed for each of {', '.join(NAMES)}")
        if not 0 < self.clear <= self.alarm < 1:
            raise ValueError(f"clear {self.clear:g} and alarm {self.alarm:g} must be probabilities in this order")

    @classmethod
    def from_json(cls, text: str) -> "Numbers":
        raw: Mapping[str, Any] = json.loads(text)
        return cls(
            intercept=float(raw["intercept"]),
            weights=tuple(float(raw["weights"][name]) for name in NAMES),
            growth_intercept=float(raw["growthIntercept"]),
            growth_weights=tuple(float(raw["growthWeights"][name]) for name in NAMES),
            alarm=float(raw["alarm"]),
            clear=float(raw["clear"]),
        )

    def to_json(self) -> str:
        document = {
            "intercept": self.intercept,
            "weights": dict(zip(NAMES, self.weights, strict=True)),
            "growthIntercept": self.growth_intercept,
            "growthWeights": dict(zip(NAMES, self.growth_weights, strict=True)),
            "alarm": self.alarm,
            "clear": self.clear,
        }
        return json.dumps(document, indent=2) + "\n"


@lru_cache(maxsize=1)
def shipped_numbers() -> Numbers:
    return Numbers.from_json(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


class Temporal:
    """numbers: those that ship when None."""

    NAME: ClassVar[str] = "Temporal"

    def __init__(self, timing: Timing, *, numbers: Numbers | None = None) -> None:
        self._features = FeatureExtractor(timing)
        self._numbers = numbers or shipped_numbers()
        self._alarm = False
        self._short = timing.short
        self._alarmed = 0
        """Rates since the alarm rose, the one that raised it included."""

    def observe(self, rate: float, *, now: float) -> Prediction | None:
        found = self._features.observe(rate, now=now)
        if found is None:
            self._alarm, self._alarmed = False, 0
            return Prediction(rate=0.0, probability=0.0, alarm=False) if self._features.ready else None
        numbers, seen = self._numbers, values(found)
        logit = numbers.intercept + sum(w * x for w, x in zip(numbers.weights, seen, strict=True))
        growth = numbers.growth_intercept + sum(w * x for w, x in zip(numbers.growth_weights, seen, strict=True))
        probability = 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))
        self._alarm = probability >= (numbers.clear if self._alarm else numbers.alarm)
        expected = self._features.short_mean * math.exp(min(max(growth, -MOST_GROWTH), MOST_GROWTH))
        self._alarmed = self._alarmed + 1 if self._alarm else 0
        if 0 < self._alarmed <= self._short:
            expected = max(expected, rate)
        return Prediction(rate=expected, probability=probability, alarm=self._alarm)
