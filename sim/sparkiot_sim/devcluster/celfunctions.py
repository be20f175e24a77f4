"""Functions that Kubernetes adds to CEL, for the rules of CRDs.

Here: quantities, the string, list and regex libraries. Not here: URLs, IP addresses, semantic versions, named formats
and optionals; a CRD whose rule calls one of those is refused when it is created.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import pairwise
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


def _pack(number: Decimal) -> dict[str, str]:
    return {_HELD: format(number.normalize(), "f")}


def _unpack(value: Any) -> Decimal:
    if isinstance(value, dict) and _HELD in value:
        return Decimal(value[_HELD])
    return Decimal(value) if isinstance(value, int) else parse_quantity(str(value))


def _is_quantity(text: Any) -> bool:
    try:
        parse_quantity(str(text))
    except (ValueError, InvalidOperation):
        return False
    return True


def _sign(number: Decimal) -> int:
    return (number > 0) - (number < 0)


def _index_of(held: Any, item: Any) -> int:
    if isinstance(held, str):
        return held.find(item)
    return held.index(item) if item in held else -1


def _last_index_of(held: Any, item: Any) -> int:
    if isinstance(held, str):
        return held.rfind(item)
    return len(held) - 1 - held[::-1].index(item) if item in held else -1


def _find(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    return match[0] if match else ""


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "quantity": lambda text: _pack(parse_quantity(str(text))),
    "isQuantity": _is_quantity,
    "compareTo": lambda left, right: _sign(_unpack(left) - _unpack(right)),
    "isGreaterThan": lambda left, right: _unpack(left) > _unpack(right),
    "isLessThan": lambda left, right: _unpack(left) < _unpack(right),
    "isInteger": lambda held: _unpack(held) == _unpack(held).to_integral_value(),
    "asInteger": lambda held: int(_unpack(held)),
    "asApproximateFloat": lambda held: float(_unpack(held)),
    "sign": lambda held: _sign(_unpack(held)),
    "add": lambda left, right: _pack(_unpack(left) + _unpack(right)),
    "sub": lambda left, right: _pack(_unpack(left) - _unpack(right)),
    "charAt": lambda text, index: text[index],
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "replace": str.replace,
    "split": str.split,
    "join": lambda items, separator="": separator.join(items),
    "substring": lambda text, start, end=None: text[start:end],
    "trim": str.strip,
    "isSorted": lambda items: all(left <= right for left, right in pairwise(items)),
    "sum": sum,
    "min": min,
    "max": max,
    "find": _find,
    "findAll": lambda text, pattern: [match[0] for match in re.finditer(pattern, text)],
}
