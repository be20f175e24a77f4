"""Geometry of the pictures, in the units of an SVG's view box: scales, ticks, paths. Pure; templates draw it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
GAP = 3.5
"""A pause of so many usual steps breaks a line: nobody knows what was between."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``low``..``high`` linearly to ``start``..``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        at = self.start if span <= 0 else self.start + (value - self.low) / span * (self.end - self.start)
        return round(at, 1)


def nice_top(values: Sequence[float], ticks: int) -> tuple[float, float]:
    """The end of an axis from 0 that holds all values, and the step between its ticks."""
    most = max((v for v in values if math.isfinite(v)), default=0.0)
    if most <= 0:
        return 1.0, 1.0
    raw = most / ticks
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(n * size for n in NICE if n * size >= raw * (1 - 1e-9))
    return step * math.ceil(most / step - 1e-9), step


def whole_top(values: Sequence[float], ticks: int) -> tuple[float, float]:
    """The same for counts: no tick between two whole numbers."""
    top, step = nice_top(values, ticks)
    step = max(math.ceil(step), 1)
    return step * math.ceil(top / step), float(step)


def ticks(top: float, step: float) -> list[float]:
    return [n * step for n in range(round(top / step) + 1)]


def time_ticks(low: float, high: float, most: int) -> list[float]:
    """Times at round steps of the clock within the range, at most ``most``."""
    step = next((s for s in STEPS_S if (high - low) / s <= most), STEPS_S[-1])
    first = math.ceil(low / step) * step
    return [first + n * step for n in range(int((high - first) // step) + 1)] if high >= first else []


def usual_step(times: Sequence[float]) -> float:
    """The median step between times; 0 for fewer than two."""
    steps = sorted(b - a for a, b in pairwise(times))
    return steps[len(steps) // 2] if steps else 0.0


Point = tuple[float, float]


def runs(times: Sequence[float], values: Sequence[float | None]) -> Iterator[list[Point]]:
    """The stretches of time and value without a missing value or a gap between them."""
    gap = GAP * usual_step(times)
    run: list[Point] = []
    for time, value in zip(times, values, strict=True):
        if run and (value is None or time - run[-1][0] > gap):
            yield run
            run = []
        if value is not None:
            run.append((time, value))
    if run:
        yield run


def line(times: Sequence[float], values: Sequence[float | None], x: Scale, y: Scale) -> str:
    """An SVG path through the values; a value that stands alone is a dot (a stroke of no length with round caps)."""
    parts = []
    for run in runs(times, values):
        points = " ".join(f"{x(t)},{y(v)}" for t, v in run)
        parts.append(f"M{points}" if len(run) > 1 else f"M{points}h0")
    return "".join(parts)


def steps(times: Sequence[float], values: Sequence[float | None], x: Scale, y: Scale) -> str:
    """An SVG path of a value that stays until the next one."""
    parts = []
    for run in runs(times, values):
        (t0, v0), *rest = run
        parts.append(f"M{x(t0)},{y(v0)}" + ("".join(f"H{x(t)}V{y(v)}" for t, v in rest) or "h0"))
    return "".join(parts)


def area(times: Sequence[float], values: Sequence[float | None], x: Scale, y: Scale, *, stepped: bool = False) -> str:
    """The surface between such a line and zero."""
    parts = []
    for run in runs(times, values):
        floor = y(0.0)
        (t0, v0), *rest = run
        move = (f"H{x(t)}V{y(v)}" if stepped else f"L{x(t)},{y(v)}" for t, v in rest)
        parts.append(f"M{x(t0)},{floor}V{y(v0)}" + "".join(move) + f"V{floor}Z")
    return "".join(parts)
