"""Numbers as people read them: with units, and a dash for what is missing."""

import math
from datetime import UTC, datetime

from sparkiot_operator.times import format_seconds

MISSING = "–"
NARROW = "\u202f"
"""A narrow space that does not break: between groups of digits, and before a unit."""


def quantity(value: float | None, unit: str = "", *, digits: int = 3) -> str:
    """``1 234 msg/s``. digits: significant ones below a thousand; whole numbers above."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.{digits}g}"
    return text.replace(",", NARROW) + (f"{NARROW}{unit}" if unit else "")


def signed(value: float | None, *, digits: int = 0) -> str:
    """A difference, with its sign; one that is rounded to nothing has none."""
    if value is None:
        return MISSING
    text = f"{abs(value):.{digits}f}"
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"  # noqa: RUF001 - a minus, not a hyphen


def share(value: float | None) -> str:
    return MISSING if value is None else f"{value * 100:.1f}{NARROW}%"


def dollars(value: float | None) -> str:
    return MISSING if value is None else f"${value:,.2f}"


def duration(value: float | None) -> str:
    """``850 ms``, ``1.35 s``."""
    if value is None:
        return MISSING
    text = format_seconds(value)
    number = text.rstrip("msh")
    return f"{number}{NARROW}{text[len(number) :]}"


def clock(value: float | None) -> str:
    """Time of day in UTC."""
    return MISSING if value is None else _utc(value).strftime("%H:%M:%S")


def moment(value: float | None) -> str:
    """Day and time in UTC."""
    return MISSING if value is None else _utc(value).strftime("%Y-%m-%d %H:%M:%S")


def iso(value: float) -> str:
    return _utc(value).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(value: float | None, now: float) -> str:
    """How long ago a real time was, in its largest unit: ``3 min ago``. A moment that is still to come is just now."""
    if value is None:
        return MISSING
    passed = max(now - value, 0.0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= size:
            return f"{passed // size:.0f}{NARROW}{unit} ago"
    return f"{passed:.0f}{NARROW}s ago"


def _utc(value: float) -> datetime:
    return datetime.fromtimestamp(value, UTC)
