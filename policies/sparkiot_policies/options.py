"""Executors by choice of what to provide for, rather than by number.

A network that names a count must learn a diagonal: four for a need of four, eleven for one of eleven, and nothing in
between is exact. One that chooses among "what the load needs now", "a tenth more than what is forecast" and the like is
right for one executor and for twenty, and what it learned about margins holds for jobs of any size. The artifact's
graph turns the choice into a count, so that its action stays that of the public contract.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from .allocation import ACTION_SIZES

ROUNDING = 1e-4
"""Of an executor: what only rounding errors exceed is not rounded up."""


class ExecutorOption(BaseModel):
    """``factor`` times what an element, which counts executors, says; rounded up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    element: str
    factor: float = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class ExecutorOptions:
    """Options over named inputs, one for each value of an action's first part; none where that part is the count.

    elements: the names of the inputs in order. Raises ValueError when an option names another element or when there are
    neither no options nor as many as the action has values.
    """

    elements: tuple[str, ...]
    options: tuple[ExecutorOption, ...] = ()
    index: npt.NDArray[np.int64] = field(init=False, repr=False, compare=False)
    factors: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if unknown := [o.element for o in self.options if o.element not in self.elements]:
            raise ValueError(f"executor options name unknown elements: {', '.join(unknown)}")
        if self.options and len(self.options) != ACTION_SIZES[0]:
            raise ValueError(f"{len(self.options)} executor options; {ACTION_SIZES[0]} are needed, or none")
        index = np.array([self.elements.index(o.element) for o in self.options], dtype=np.int64)
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "factors", np.array([o.factor for o in self.options], dtype=np.float64))

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the elements that options refer to, in the inputs' order."""
        named = {o.element for o in self.options}
        return tuple(e for e in self.elements if e in named)

    def counts(self, observations: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The action's first part under each option: raw observations (N, elements) to (N, 20). Needs options."""
        raw = np.asarray(observations, dtype=np.float32)[..., self.index].astype(np.float64)
        executors = np.clip(np.ceil(raw * self.factors - ROUNDING), 1.0, float(ACTION_SIZES[0]))
        counts: npt.NDArray[np.int64] = executors.astype(np.int64) - 1
        return counts

    def apply(self, observations: npt.ArrayLike, actions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Actions whose first part is a choice, (N, 4), as actions of the public contract."""
        if not self.options:
            return actions
        chosen = np.take_along_axis(self.counts(observations), actions[:, :1], axis=1)
        return np.concatenate([chosen, actions[:, 1:]], axis=1)


def executor_options(*groups: tuple[str, Sequence[float]]) -> tuple[ExecutorOption, ...]:
    """Options from elements with their factors."""
    return tuple(ExecutorOption(element=element, factor=factor) for element, factors in groups for factor in factors)
