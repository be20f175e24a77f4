"""Whether an observation is one that a policy was trained on, by what its features say of each other.

A range an element says nothing of what goes together: five times the executors that anybody asked for lies within every
range. So each feature is compared with what all others lead one to expect, by linear regression over the training data:
with mean m and precision P (the inverse covariance) its residual is ((x - m) P)_i / P_ii, the conditional deviation of
a Gaussian (T. W. Anderson, An Introduction to Multivariate Statistical Analysis, 2.5). Training bounds each residual by
its own quantiles, as residuals are far from Gaussian: they are small for hours, and large for moments after a restart.

The one distance over all features (Mahalanobis's) was tried first, with the distance to the nearest neighbour: under
domain randomisation everything lies far from everything, and at a tolerable rate of false alarms neither saw anything.
docs/explanation/envelope.md has the figures.
"""

from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .features import Finite

RIDGE = 0.05
"""Added to each variance. Features are of the order of 1; what never varied in training may differ by a fifth of that
before it counts, and features that follow from each other (those of the tier) can be told from each other."""
MARGIN = 1.5
"""How far beyond the training data's quantiles a residual may lie: their tails rest on few episodes."""
DIGITS = 7
Floats = npt.NDArray[np.float64]


class Familiarity(BaseModel):
    """What an artifact's manifest holds of its training data; sizes are those of the network's features.

    mean: of each feature. precision: lower triangle, by rows, of the inverse of their covariance with RIDGE on its
    diagonal. low, high: bounds of each residual: MARGIN times the training data's quantiles at ``tail`` from either
    end. samples, seed: of that data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[Finite, ...]
    precision: tuple[Finite, ...]
    low: tuple[Finite, ...]
    high: tuple[Finite, ...]
    tail: float = Field(gt=0, lt=0.5)
    samples: int = Field(gt=0)
    seed: int

    @model_validator(mode="after")
    def _fits(self) -> Self:
        size = len(self.mean)
        wanted = size * (size + 1) // 2
        if len(self.precision) != wanted:
            raise ValueError(
                f"precision has {len(self.precision)} numbers; the triangle of {size} features has {wanted}"
            )
        if not len(self.low) == len(self.high) == size:
            raise ValueError(f"{len(self.low)} low and {len(self.high)} high bounds for {size} features")
        return self


class Expectation:
    """One statistic, ready to be compared with."""

    def __init__(self, familiarity: Familiarity) -> None:
        size = len(familiarity.mean)
        lower = np.zeros((size, size))
        lower[np.tril_indices(size)] = familiarity.precision
        self._mean = np.array(familiarity.mean)
        precision = lower + np.tril(lower, -1).T
        self._weights = precision / np.diag(precision)
        self._low, self._high = np.array(familiarity.low), np.array(familiarity.high)

    def residuals(self, features: npt.ArrayLike) -> Floats:
        """How far each feature lies from what the others lead one to expect; shape (..., features) both ways."""
        found: Floats = (np.asarray(features, dtype=np.float64) - self._mean) @ self._weights
        return found

    def strange(self, features: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which features lie further from that than they did in training; shape (..., features) both ways."""
        found = self.residuals(features)
        outside: npt.NDArray[np.bool_] = (found < self._low) | (found > self._high)
        return outside


def fit(features: npt.ArrayLike, *, tail: float, seed: int) -> Familiarity:
    """The statistic of training data, shape (samples, features).

    tail: share of the data beyond each quantile. seed: that the data came from. Raises ValueError for too few samples
    to tell that share: ten must lie beyond it.
    """
    x = np.asarray(features, dtype=np.float64)
    if len(x) * tail < 10:
        raise ValueError(f"{len(x)} samples cannot tell a share of {tail:g}; {10 / tail:.0f} can")
    size = x.shape[1]
    precision = np.linalg.inv(np.atleast_2d(np.cov(x.T)) + RIDGE * np.eye(size))
    draft = Familiarity(
        mean=_rounded(x.mean(axis=0)),
        precision=_rounded(precision[np.tril_indices(size)]),
        low=(0.0,) * size,
        high=(0.0,) * size,
        tail=tail,
        samples=len(x),
        seed=seed,
    )
    low, high = MARGIN * np.quantile(Expectation(draft).residuals(x), (tail, 1 - tail), axis=0)
    return draft.model_copy(update={"low": _rounded(np.minimum(low, 0.0)), "high": _rounded(np.maximum(high, 0.0))})


def _rounded(values: npt.ArrayLike) -> tuple[float, ...]:
    """To as many digits as matter: other machines round the last ones otherwise."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in np.asarray(values, dtype=np.float64).tolist())
