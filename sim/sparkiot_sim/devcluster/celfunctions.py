"""Functions that Kubernetes adds to CEL and that rules of CRDs use most: quantities, some of strings and lists.

A CRD whose rule calls another one is refused when it is created, with the function's name.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

_FACTORS = {
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("num", start=-3)},
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(2) ** (10 * power) for power, suffix in enumerate("KMGTPE", start=1)},
    "": Decimal(1),
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)")
_HELD = "quantity"  # CEL has no decimal: a quantity travels as a map with its canonical text


def parse_quantity(text: str) -> Decimal:
    """The number that a Kubernetes quantity such as `1.5Gi` or `250m` stands for; ValueError for anything else."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a quantity such as 500m, 2 or 1.5Gi")
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * _FACTORS[suffix or ""]


def _quantity(text: str) -> dict[str, str]:
    return {_HELD: format(parse_quantity(text).normalize(), "f")}


def _compare(left: dict[str, str], right: dict[str, str]) -> int:
    difference = Decimal(left[_HELD]) - Decimal(right[_HELD])
    return (difference > 0) - (difference < 0)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "quantity": _quantity,
    "isQuantity": lambda text: _QUANTITY.fullmatch(text) is not None,
    "compareTo": _compare,
    "isGreaterThan": lambda left, right: _compare(left, right) > 0,
    "isLessThan": lambda left, right: _compare(left, right) < 0,
    "lowerAscii": str.lower,
    "split": str.split,
    "trim": str.strip,
    "sum": sum,
}
