"""The picture of a job's timeline: load and forecast, executors, latency against its objective, tier, decisions.

One drawing with one time axis, so that what happened together stands together. It is made of positions only; the
template gives it colours by class, words for screen readers, and a read-out for each moment.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from . import formats
from .samples import Sample, Timeline
from .scales import Scale, area, line, nice_top, steps, ticks, time_ticks, whole_top

WIDTH = 960
LEFT, RIGHT = 74, 948
PANEL, GAP, HEAD = 112, 20, 26
STRIP = 20
CUT = 4.0
"""Latencies beyond so many objectives are cut off: beside an outage of minutes the objective would be lost."""
MOMENTS = 120
"""Moments with a read-out, at most."""
SPARK = (112, 26)

Axis = Callable[[Sequence[float], int], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """kind: class of its colour and stroke. name: in the legend. surface: path of the area below, if it has one."""

    kind: str
    name: str
    path: str
    surface: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the picture with an axis of its own. empty: nothing was measured. note: what the axis leaves out."""

    title: str
    top: float
    bottom: float
    curves: tuple[Curve, ...]
    ticks: tuple[Tick, ...]
    empty: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """A tier while it lasted. code: its index, as of its colour."""

    start: float
    width: float
    name: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A decision on the time axis. kind: up, down, other or held."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True)
class Moment:
    """What a pointer reads at one time. lines: name and value."""

    start: float
    width: float
    at: float
    time: str
    lines: tuple[tuple[str, str], ...]
    leftwards: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    width: int
    height: float
    left: int
    right: int
    panels: tuple[Panel, ...]
    bands: tuple[Band, ...]
    band_top: float
    marks: tuple[Mark, ...]
    mark_top: float
    times: tuple[Tick, ...]
    moments: tuple[Moment, ...]
    summary: str


def draw(timeline: Timeline) -> Chart | None:
    """The picture; None with fewer than two samples, which make no line."""
    samples = list(timeline.samples)
    if len(samples) < 2:
        return None
    times = [s.time for s in samples]
    x = Scale(times[0], times[-1], LEFT, RIGHT)
    rule = timeline.rule or ""
    top = 0.0
    panels = []
    for title, axis, kinds in (
        ("Load, msg/s", nice_top, (("load", "load", _of("load")), ("forecast", "forecast", _of("forecast")))),
        (
            "Executors",
            whole_top,
            (
                ("running", "running", _of("running")),
                ("decided", timeline.verb, _of("decided")),
                ("rule", f"rule {rule}", _of("rule")),
            ),
        ),
        ("Latency, s", nice_top, (("latency", "latency", _of("latency_s")), ("target", "objective", _of("target_s")))),
    ):
        panels.append(_panel(title, samples, top=top + HEAD, x=x, axis=axis, kinds=kinds))
        top = panels[-1].bottom + GAP
    return Chart(
        width=WIDTH,
        height=top + 3 * STRIP + 48,
        left=LEFT,
        right=RIGHT,
        panels=tuple(panels),
        bands=tuple(_bands(samples, x)),
        band_top=top + 6,
        marks=tuple(_marks(samples, x)),
        mark_top=top + STRIP + 12,
        times=tuple(Tick(x(t), formats.clock(t)[:5]) for t in time_ticks(times[0], times[-1], 8)),
        moments=tuple(_moments(samples, x, verb=timeline.verb, rule=rule)),
        summary=summary(timeline),
    )


def spark(timeline: Timeline | None) -> str:
    """A path of the load for a row of the overview; empty where none is known."""
    newest_first = list(reversed(timeline.samples)) if timeline else []
    samples = newest_first[: SPARK[0] : 2][::-1]
    loads = [s.load for s in samples]
    known = [v for v in loads if v is not None]
    if len(known) < 2:
        return ""
    times = [s.time for s in samples]
    x, y = Scale(times[0], times[-1], 1, SPARK[0] - 1), Scale(0.0, max(*known, 1e-9), SPARK[1] - 2, 2)
    return line(times, loads, x, y)


def summary(timeline: Timeline) -> str:
    """The picture in words."""
    samples = list(timeline.samples)
    first, last = samples[0], samples[-1]
    said = [f"{len(samples)} cycles from {formats.moment(first.time)} to {formats.clock(last.time)} UTC."]
    for name, values, unit in (
        ("Load", [s.load for s in samples], "msg/s"),
        ("Executors running", [s.running for s in samples], ""),
        (f"Executors {timeline.verb}", [s.decided for s in samples], ""),
        ("Latency", [s.latency_s for s in samples], "s"),
    ):
        known = [v for v in values if v is not None]
        if not known:
            said.append(f"{name}: not known.")
            continue
        now = formats.quantity(values[-1], unit)
        said.append(f"{name}: {now} now, {formats.quantity(min(known))} to {formats.quantity(max(known), unit)}.")
    if last.target_s is not None:
        timed = [s for s in samples if s.latency_s is not None and s.target_s is not None]
        above = sum(1 for s in timed if (s.latency_s or 0) > (s.target_s or 0))
        said.append(f"Objective {formats.duration(last.target_s)}, exceeded in {above} of {len(timed)} cycles.")
    return " ".join(said)


def _of(name: str) -> Callable[[Sample], float | None]:
    return lambda sample: getattr(sample, name)


def _panel(
    title: str,
    samples: Sequence[Sample],
    *,
    top: float,
    x: Scale,
    axis: Axis,
    kinds: Sequence[tuple[str, str, Callable[[Sample], float | None]]],
) -> Panel:
    times = [s.time for s in samples]
    values = {kind: [get(s) for s in samples] for kind, _, get in kinds}
    known = [v for series in values.values() for v in series if v is not None]
    goal = max((v for v in values.get("target", ()) if v is not None), default=math.inf)
    high, step = axis([min(v, CUT * goal) for v in known], 4)
    cut = bool(known) and max(known) > high
    y = Scale(0.0, high, top + PANEL, top)
    stepped = {"running", "decided", "rule", "target"}
    curves = []
    for kind, name, _ in kinds:
        series = [None if v is None else min(v, high) for v in values[kind]]
        if all(v is None for v in series):
            continue
        path = steps(times, series, x, y) if kind in stepped else line(times, series, x, y)
        surface = area(times, series, x, y, stepped=kind == "running") if kind in ("load", "running") else ""
        curves.append(Curve(kind, name, path, surface))
    labels = tuple(Tick(y(v), formats.quantity(v)) for v in ticks(high, step))
    note = f"cut off at {formats.quantity(high)}, highest {formats.quantity(max(known))}" if cut else ""
    return Panel(title, top, top + PANEL, tuple(curves), labels if known else (), not known, note)


def _bands(samples: Sequence[Sample], x: Scale) -> list[Band]:
    bands: list[Band] = []
    for before, after in pairwise(samples):
        if before.tier is None:
            continue
        start, end, name = x(before.time), x(after.time), before.tier.value
        last = bands[-1] if bands else None
        if last is not None and last.name == name and abs(last.start + last.width - start) < 0.2:
            bands[-1] = Band(last.start, round(end - last.start, 1), name)
        else:
            bands.append(Band(start, round(end - start, 1), name))
    return bands


def _marks(samples: Sequence[Sample], x: Scale) -> Iterator[Mark]:
    for sample in samples:
        if sample.change is not None:
            yield Mark(x(sample.time), sample.change)
        if sample.held:
            yield Mark(x(sample.time), "held")


def _moments(samples: Sequence[Sample], x: Scale, *, verb: str, rule: str) -> list[Moment]:
    every = -(-len(samples) // MOMENTS)
    shown = samples[::-1][::every][::-1]
    edges = [LEFT, *((x(a.time) + x(b.time)) / 2 for a, b in pairwise(shown)), RIGHT]
    moments = []
    for sample, start, end in zip(shown, edges, edges[1:], strict=False):
        lines = (
            ("load", formats.quantity(sample.load, "msg/s")),
            ("forecast", formats.quantity(sample.forecast, "msg/s")),
            ("running", formats.quantity(sample.running)),
            (verb, formats.quantity(sample.decided)),
            (f"rule {rule}", formats.quantity(sample.rule)),
            ("latency", formats.duration(sample.latency_s)),
            ("tier", sample.tier.value if sample.tier else formats.MISSING),
        )
        at = x(sample.time)
        leftwards = at > (LEFT + RIGHT) / 2
        moments.append(Moment(round(start, 1), round(end - start, 1), at, formats.clock(sample.time), lines, leftwards))
    return moments
