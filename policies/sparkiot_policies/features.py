"""What a network is fed: scaled, compressed and clipped elements of an observation or a context.

The same definition runs in training (``Features.apply``, numpy) and inside the artifact's graph (``graph.py``), in
double precision up to the final cast, so that both give the same float32 numbers. An artifact's input is always in raw
units; a policy without features, as the public contract has it, sees the raw vector itself.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A number that is neither NaN nor infinite."""
Floats = npt.NDArray[np.float32]
LEAST = 0.01
"""Below it a logarithm sees no difference: a hundredth of an executor, a GiB or a second."""


class Feature(BaseModel):
    """One input of a network: ``clip(transform(x) * scale + offset, low, high)`` of one element ``x``.

    transform: ``log1p`` is ``log(1 + max(x, 0))``, for quantities that span decades; ``log`` is ``log(max(x, LEAST))``,
    for those whose ratios matter however small they are. low, high: None does not clip.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    element: str
    transform: Literal["linear", "log1p", "log"] = "linear"
    scale: Finite
    offset: Finite = 0.0
    low: Finite | None = None
    high: Finite | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Feature":
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"feature of {self.element}: low {self.low} must be below high {self.high}")
        return self


@dataclass(frozen=True, slots=True)
class Features:
    """Features over named inputs; none of them means that the network sees the inputs themselves.

    elements: the names of the inputs in order. Raises ValueError when a feature names another element.
    """

    elements: tuple[str, ...]
    features: tuple[Feature, ...] = ()
    index: npt.NDArray[np.int64] = field(init=False, repr=False, compare=False)
    is_log: npt.NDArray[np.bool_] = field(init=False, repr=False, compare=False)
    shift: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)
    least: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)
    scale: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)
    offset: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)
    low: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)
    high: npt.NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if unknown := [f.element for f in self.features if f.element not in self.elements]:
            raise ValueError(f"features name unknown elements: {', '.join(unknown)}; known: {', '.join(self.elements)}")
        columns: dict[str, npt.NDArray[Any]] = {
            "index": np.array([self.elements.index(f.element) for f in self.features], dtype=np.int64),
            "is_log": np.array([f.transform != "linear" for f in self.features], dtype=np.bool_),
            "shift": np.array([float(f.transform == "log1p") for f in self.features], dtype=np.float64),
            "least": np.array([LEAST if f.transform == "log" else 0.0 for f in self.features], dtype=np.float64),
            "scale": np.array([f.scale for f in self.features], dtype=np.float64),
            "offset": np.array([f.offset for f in self.features], dtype=np.float64),
            "low": np.array([-np.inf if f.low is None else f.low for f in self.features], dtype=np.float64),
            "high": np.array([np.inf if f.high is None else f.high for f in self.features], dtype=np.float64),
        }
        for name, column in columns.items():
            object.__setattr__(self, name, column)

    @property
    def size(self) -> int:
        """How many numbers the network sees."""
        return len(self.features) or len(self.elements)

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the elements that reach the network, in the inputs' order."""
        if not self.features:
            return self.elements
        named = {f.element for f in self.features}
        return tuple(e for e in self.elements if e in named)

    def apply(self, observations: npt.ArrayLike) -> Floats:
        """What the network sees: shape (..., len(elements)) in raw units to (..., size), float32."""
        raw = np.asarray(observations, dtype=np.float32)
        if not self.features:
            return raw
        x = raw[..., self.index].astype(np.float64)
        # Where nothing is logarithmic the argument may be 0; its logarithm is not taken then.
        argument = np.where(self.is_log, np.maximum(x, self.least) + self.shift, 1.0)
        x = np.where(self.is_log, np.log(argument), x)
        return np.clip(x * self.scale + self.offset, self.low, self.high).astype(np.float32)
