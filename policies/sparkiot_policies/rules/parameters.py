"""The parameters of the rules: declared beside their bounds, checked when a rule is made, read from text.

A rule is a frozen dataclass and its fields are its parameters, so that what a reference may say (``HPA:target=60``),
what a rule accepts and what the documentation lists cannot drift apart.
"""

import dataclasses
import enum
import functools
import math
from typing import Any, get_args

Value = float | str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a rule. kind: int, float or an enumeration. default: None where the job decides.

    above, least, most: bounds of a number, the first exclusive.
    """

    name: str
    kind: type[Any]
    default: Value | None
    unit: str
    meaning: str
    above: float = -math.inf
    least: float = -math.inf
    most: float = math.inf

    @property
    def range(self) -> str:
        """What is allowed, for people."""
        if issubclass(self.kind, enum.Enum):
            return f"one of {', '.join(member.value for member in self.kind)}"
        number = "a whole number" if self.kind is int else "a number"
        bounds = (
            ("above", self.above, -math.inf),
            ("at least", self.least, -math.inf),
            ("at most", self.most, math.inf),
        )
        stated = " and ".join(f"{word} {bound:g}" for word, bound, none in bounds if bound != none)
        return f"{number} {stated}".strip()

    def read(self, text: str) -> Value:
        """The value that a text stands for. Raises ValueError that names the parameter and what is allowed."""
        try:
            value: Value = self.kind(text)
        except ValueError:
            raise ValueError(f"{self.name} {text!r} must be {self.range}") from None
        self.check(value)
        return value

    def check(self, value: Value | None) -> None:
        """Raises ValueError for a number that is out of bounds or not finite."""
        if value is None or isinstance(value, str):
            return
        if not (abs(value) < math.inf and value > self.above and self.least <= value <= self.most):
            raise ValueError(f"{self.name} {value} must be {self.range}")


def parameter(
    default: Value | None,
    unit: str,
    meaning: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> Any:
    """Declare a parameter as a rule's field; see Parameter."""
    bounds = {"above": above, "least": least, "most": most}
    said = {"default": default, "unit": unit, "meaning": meaning}
    return dataclasses.field(default=default, metadata={**said, **bounds})


@functools.cache
def parameters(kind: type[Any]) -> tuple[Parameter, ...]:
    """The parameters of a kind of rule, in order."""
    return tuple(Parameter(name=f.name, kind=_kind(f.type), **f.metadata) for f in dataclasses.fields(kind))


def _kind(annotation: Any) -> type[Any]:
    """``int`` of ``int | None``."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    found: type[Any] = kinds[0]
    return found
