"""The pictures of a tournament: cost against SLO attainment, and what each policy did on one day."""

import math
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from sparkiot_sim.timeline import Timeline

from .entry import ORACLE
from .play import Result
from .statistics import Row

COLORS = ("#d1495b", "#1f5fa8", "#e0a01f", "#2a9d6e", "#7a4fa3", "#4d4d4d", "#56b4e9", "#a0522d")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Colour and marker of each policy, in the order of their entry; told apart in grey as well."""
LIMIT_LOOK = ("#000000", "*")
LOAD = "#3a3a3a"
ATTAINMENTS = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 100)
"""Percent at the ticks of the attainment axis."""
SMALLEST_MISS = 0.05
"""Percent of violations up to which the attainment axis is about linear; beyond, each decade takes the same room."""

MOST_COLUMNS = 3

Values = npt.NDArray[np.float64]


def pareto(table: Sequence[Row], results: Sequence[Result], path: Path) -> None:
    """Cost against SLO attainment, one panel for each load and preset. Raises OSError when it cannot be written."""
    cells = list(dict.fromkeys((row.workload, row.mean_rate, row.preset) for row in table))
    presets = list(dict.fromkeys(row.preset for row in table))
    policies = list(dict.fromkeys(row.policy for row in table))
    columns = len(presets) if len(presets) > 1 else min(len(cells), MOST_COLUMNS)
    figure, panels = blocks(len(cells), columns=columns, height=4.2)
    for (axes,), cell in zip(panels, cells, strict=True):
        here = [row for row in table if (row.workload, row.mean_rate, row.preset) == cell]
        _draw_front(axes, [row for row in here if row.policy != ORACLE])
        for row in here:
            own = [r.summary for r in results if r.policy == row.policy and r.cell == cell]
            points = [(s.cost_dollars, 100 * s.slo_attainment) for s in own]
            _draw_policy(axes, row, points, style=look(row.policy, policies))
        attainment_axis(axes)
        axes.set_xlim(left=0)
        axes.set_title(_title(*cell[:2]) + (f", {cell[2]}" if len(presets) > 1 else ""), fontsize=11)
        axes.set_xlabel("cost of a match, $")
        axes.set_ylabel("SLO attainment, % of batches")
    beside = ", beside each: cost over the oracle's" if ORACLE in policies else ""
    figure.suptitle(
        f"Cost against SLO attainment: up and left is better\n(faint: seeds, bars: 95 % confidence{beside})"
    )
    legend(figure, panels[0][0], columns=len(policies) + 1)
    figure.savefig(path, dpi=110)


def timelines(results: Sequence[Result], path: Path) -> None:
    """One seed's load and the running executors of every policy, one panel for each load, of the first preset.

    Raises OSError when it cannot be written.
    """
    first = results[0]
    kept = [
        ((r.workload, r.mean_rate), r.timeline)
        for r in results
        if r.timeline is not None and (r.seed, r.preset) == (first.seed, first.preset)
    ]
    loads = [(load, [timeline for _, timeline in group]) for load, group in groupby(kept, key=itemgetter(0))]
    figure, panels = blocks(len(loads), columns=min(len(loads), MOST_COLUMNS), height=6.0, heights=(1, 2))
    for (upper, lower), (load, group) in zip(panels, loads, strict=True):
        _draw_load(upper, group[0])
        upper.set_title(_title(*load), fontsize=11)
        upper.set_ylabel("messages/s")
        upper.sharex(lower)
        upper.tick_params(labelbottom=False)
        names = [timeline.name for timeline in group]
        for index, timeline in reversed(list(enumerate(group))):
            _draw_executors(lower, timeline, color=look(timeline.name, names)[0], first=index == 0)
        lower.set_ylim(bottom=0)
        lower.margins(x=0)
        lower.yaxis.set_major_locator(MaxNLocator(integer=True))
        lower.set_xlabel("hours since the start")
        lower.set_ylabel("running executors")
    figure.suptitle(f"The same load under every policy: seed {first.seed}, {first.preset}")
    legend(figure, panels[0][1], columns=len(loads[0][1]), reverse=True)
    figure.savefig(path, dpi=110)


def blocks(
    count: int, *, columns: int, height: float, heights: tuple[int, ...] = (1,)
) -> tuple[Figure, list[tuple[Axes, ...]]]:
    """A figure of ``count`` blocks, each of ``len(heights)`` axes above each other and ``height`` inches in all."""
    lines = -(-count // columns)
    figure = Figure(figsize=(max(5.4 * columns, 6.5), height * lines + 1.0), layout="constrained")
    axes = figure.subplots(lines * len(heights), columns, squeeze=False, height_ratios=heights * lines)
    blocks = axes.reshape(lines, len(heights), columns).swapaxes(1, 2).reshape(lines * columns, len(heights))
    for unused in blocks[count:].ravel():
        unused.remove()
    return figure, [tuple(block) for block in blocks[:count]]


def look(policy: str, policies: Sequence[str]) -> tuple[str, str]:
    """Colour and marker; the oracle, which is no policy, has its own."""
    index = [name for name in policies if name != ORACLE].index(policy) if policy != ORACLE else -1
    return (COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]) if index >= 0 else LIMIT_LOOK


def _draw_policy(axes: Axes, row: Row, seeds: Sequence[tuple[float, float]], *, style: tuple[str, str]) -> None:
    color, marker = style
    axes.plot(*zip(*seeds, strict=True), ".", color=color, alpha=0.45, markersize=8, markeredgewidth=0, zorder=2)
    cost, met = row.estimates["cost_dollars"], row.estimates["slo_attainment"]
    if cost.interval and met.interval:
        axes.plot(cost.interval, [100 * met.mean] * 2, color=color, linewidth=1.4, zorder=3)
        axes.plot([cost.mean] * 2, [100 * bound for bound in met.interval], color=color, linewidth=1.4, zorder=3)
    axes.plot(
        [cost.mean],
        [100 * met.mean],
        marker,
        color=color,
        markersize=13 if row.policy == ORACLE else 9,
        markeredgecolor="white",
        label=row.policy,
        zorder=4,
        clip_on=False,
    )
    ratio = row.mean("oracle_ratio")
    if row.policy != ORACLE and not math.isnan(ratio):
        axes.annotate(
            f"{ratio:.2f}×", (cost.mean, 100 * met.mean), (7, 5), textcoords="offset points", fontsize=8, color=color
        )


def _draw_front(axes: Axes, here: Sequence[Row]) -> None:
    """The step line through the policies that no other beats on both axes."""
    front: list[tuple[float, float]] = []
    for cost, met in sorted((row.mean("cost_dollars"), 100 * row.mean("slo_attainment")) for row in here):
        if met > max((best for _, best in front), default=-1.0):  # never true of what was not measured
            front.append((cost, met))
    axes.plot(
        [cost for cost, _ in front],
        [met for _, met in front],
        color="#b8b8b8",
        linewidth=1.2,
        linestyle="--",
        drawstyle="steps-post",
        label="not dominated",
        zorder=1,
    )


def attainment_axis(axes: Axes) -> None:
    """Stretched towards 100 %, where policies differ by tenths of a percent."""
    axes.set_yscale("function", functions=(_stretch, _shrink))
    lowest = min(axes.dataLim.ymin, 99.0)
    span = _stretch(np.array([lowest, 100.0]))
    margin = 0.06 * (span[1] - span[0])
    axes.set_ylim(max(float(_shrink(span[0] - margin)), 0.0), float(_shrink(span[1] + margin)))
    axes.yaxis.set_major_locator(FixedLocator(ATTAINMENTS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)


def _stretch(percent: Values) -> Values:
    """Strictly ascending over all numbers; symmetric about 100 %, so that the axis may begin just above it."""
    miss = 100 - np.asarray(percent, dtype=np.float64)
    stretched: Values = -np.sign(miss) * np.log1p(np.abs(miss) / SMALLEST_MISS)
    return stretched


def _shrink(stretched: Values) -> Values:
    percent: Values = 100 + np.sign(stretched) * SMALLEST_MISS * np.expm1(np.abs(stretched))
    return percent


def _draw_load(axes: Axes, timeline: Timeline) -> None:
    hours = _hours(timeline)
    axes.fill_between(hours, 0, timeline.rate, color=LOAD, alpha=0.15, linewidth=0)
    axes.plot(hours, timeline.rate, color=LOAD, linewidth=0.9)
    axes.set_ylim(bottom=0)
    axes.margins(x=0)


def _draw_executors(axes: Axes, timeline: Timeline, *, color: str, first: bool) -> None:
    limit = timeline.name == ORACLE
    axes.step(
        _hours(timeline),
        timeline.running,
        where="post",
        color=color,
        linewidth=1.8 if first or limit else 1.1,
        linestyle=":" if limit else "-",
        alpha=0.95 if first or limit else 0.8,
        zorder=3 if limit else 2,
        label=timeline.name,
    )


def _hours(timeline: Timeline) -> Values:
    hours: Values = (timeline.time - timeline.time[0]) / 3600
    return hours


def legend(figure: Figure, axes: Axes, *, columns: int, reverse: bool = False) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = slice(None, None, -1 if reverse else 1)
    figure.legend(
        handles[order], labels[order], loc="outside lower center", ncols=min(columns, 8), frameon=False, fontsize=10
    )


def _title(workload: str, mean_rate: float) -> str:
    return f"{workload}, {mean_rate:g} messages/s"
