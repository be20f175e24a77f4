"""The pictures of a tournament: cost against SLO attainment, and what each policy did on one day."""

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

from .play import Result
from .statistics import Row

COLORS = ("#d1495b", "#1f5fa8", "#e0a01f", "#2a9d6e", "#7a4fa3", "#4d4d4d", "#56b4e9", "#a0522d")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Colour and marker of each policy, in the order of their entry; told apart in grey as well."""
LOAD = "#3a3a3a"
ATTAINMENTS = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 100)
"""Percent at the ticks of the attainment axis."""
SMALLEST_MISS = 0.05
"""Percent of violations up to which the attainment axis is about linear; beyond, each decade takes the same room."""

Values = npt.NDArray[np.float64]


def pareto(table: Sequence[Row], results: Sequence[Result], path: Path) -> None:
    """Cost against SLO attainment: a column a load, a row a preset. Raises OSError when it cannot be written."""
    loads = list(dict.fromkeys((row.workload, row.mean_rate) for row in table))
    presets = list(dict.fromkeys(row.preset for row in table))
    policies = list(dict.fromkeys(row.policy for row in table))
    figure = Figure(figsize=(max(4.6 * len(loads), 6.0), 4.2 * len(presets) + 0.9), layout="constrained")
    panels = figure.subplots(len(presets), len(loads), squeeze=False)
    for (i, preset), (j, load) in ((p, w) for p in enumerate(presets) for w in enumerate(loads)):
        axes: Axes = panels[i, j]
        here = [row for row in table if (row.workload, row.mean_rate, row.preset) == (*load, preset)]
        seeds = [r for r in results if r.cell[1:] == (*load, preset)]
        _draw_front(axes, here)
        for row in here:
            index = policies.index(row.policy) % len(COLORS)
            own = [r.summary for r in seeds if r.policy == row.policy]
            _draw_policy(axes, row, [(s.cost_dollars, 100 * s.slo_attainment) for s in own], index=index)
        _attainment_axis(axes)
        axes.set_xlim(left=0)
        axes.set_title(_title(*load) + (f"\n{preset}" if len(presets) > 1 else ""), fontsize=11)
        if i == len(presets) - 1:
            axes.set_xlabel("cost of a match, $")
        if j == 0:
            axes.set_ylabel("SLO attainment, % of batches")
    figure.suptitle("Cost against SLO attainment: up and left is better; faint: seeds, bars: 95 % confidence")
    _legend(figure, panels[0, 0], columns=len(policies) + 1)
    figure.savefig(path, dpi=110)


def timelines(results: Sequence[Result], path: Path) -> None:
    """One seed's load and the running executors of every policy: a column a load, of the first preset.

    Raises OSError when it cannot be written.
    """
    first = results[0]
    kept = [
        ((r.workload, r.mean_rate), r.timeline)
        for r in results
        if r.timeline is not None and (r.seed, r.preset) == (first.seed, first.preset)
    ]
    columns = [(load, [timeline for _, timeline in group]) for load, group in groupby(kept, key=itemgetter(0))]
    figure = Figure(figsize=(6.2 * len(columns) + 0.6, 7.5), layout="constrained")
    panels = figure.subplots(2, len(columns), squeeze=False, sharex="col", height_ratios=(1, 2))
    for column, (load, group) in enumerate(columns):
        upper, lower = panels[:, column]
        _draw_load(upper, group[0])
        upper.set_title(_title(*load), fontsize=11)
        for index, timeline in reversed(list(enumerate(group))):
            _draw_executors(lower, timeline, index=index % len(COLORS))
        lower.set_ylim(bottom=0)
        lower.yaxis.set_major_locator(MaxNLocator(integer=True))
        lower.set_xlabel("hours since the start")
    panels[0, 0].set_ylabel("load, messages/s")
    panels[1, 0].set_ylabel("running executors")
    figure.suptitle(f"The same load under every policy: seed {first.seed}, {first.preset}")
    _legend(figure, panels[1, 0], columns=len(columns[0][1]), reverse=True)
    figure.savefig(path, dpi=110)


def _draw_policy(axes: Axes, row: Row, seeds: Sequence[tuple[float, float]], *, index: int) -> None:
    color, marker = COLORS[index], MARKERS[index]
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
        markersize=9,
        markeredgecolor="white",
        label=row.policy,
        zorder=4,
        clip_on=False,
    )


def _draw_front(axes: Axes, here: Sequence[Row]) -> None:
    """The step line through the policies that no other beats on both axes."""
    front: list[tuple[float, float]] = []
    for cost, met in sorted((row.mean("cost_dollars"), 100 * row.mean("slo_attainment")) for row in here):
        if not front or met > front[-1][1]:
            front.append((cost, met))
    axes.plot(
        *zip(*front, strict=True),
        color="#b8b8b8",
        linewidth=1.2,
        linestyle="--",
        drawstyle="steps-post",
        label="not dominated",
        zorder=1,
    )


def _attainment_axis(axes: Axes) -> None:
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


def _draw_executors(axes: Axes, timeline: Timeline, *, index: int) -> None:
    axes.step(
        _hours(timeline),
        timeline.running,
        where="post",
        color=COLORS[index],
        linewidth=1.8 if index == 0 else 1.1,
        alpha=0.95 if index == 0 else 0.8,
        label=timeline.name,
    )


def _hours(timeline: Timeline) -> Values:
    hours: Values = (timeline.time - timeline.time[0]) / 3600
    return hours


def _legend(figure: Figure, axes: Axes, *, columns: int, reverse: bool = False) -> None:
    handles, labels = axes.get_legend_handles_labels()
    order = slice(None, None, -1 if reverse else 1)
    figure.legend(
        handles[order], labels[order], loc="outside lower center", ncols=min(columns, 8), frameon=False, fontsize=10
    )


def _title(workload: str, mean_rate: float) -> str:
    return f"{workload}, {mean_rate:g} messages/s"
