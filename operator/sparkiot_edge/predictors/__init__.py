"""Predictors: one file each, one protocol. To add one: a class with NAME and observe, and its line in PREDICTORS."""

from collections.abc import Callable, Mapping

from .base import Prediction, Predictor, Timing
from .crossover import Crossover
from .holt_winters import HoltWinters
from .temporal import Temporal

PREDICTORS: Mapping[str, Callable[[Timing], Predictor]] = {
    predictor.NAME: predictor for predictor in (Temporal, Crossover, HoltWinters)
}
DEFAULT = Temporal.NAME
"""The one that wins on the generators; docs/explanation/edge.md says by how much."""

__all__ = ["DEFAULT", "PREDICTORS", "Prediction", "Predictor", "Timing"]
