"""Predicted against measured batch duration: every batch against the diagonal, and each recording over its time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from .report import AIM, Replayed

COLORS = ("#1f5fa8", "#d1495b", "#2a9d6e", "#e0a01f", "#7a4fa3")
MEASURED, EXECUTORS = "#3a3a3a", "#bcd9f2"


def draw(replayed: Sequence[Replayed], path: Path) -> None:
    """Write a PNG. Raises ValueError when nothing was replayed, OSError when it cannot be written."""
    shown = [r for r in replayed if r.comparisons]
    if not shown:
        raise ValueError("nothing was replayed")
    figure = Figure(figsize=(12, 1.2 + 2.9 * len(shown)), layout="constrained")
    grid = figure.add_gridspec(len(shown), 2, width_ratios=(1, 1.35))
    _scatter(figure.add_subplot(grid[:, 0]), shown)
    for index, one in enumerate(shown):
        _over_time(figure.add_subplot(grid[index, 1]), one, COLORS[index % len(COLORS)])
    figure.suptitle("The measured run, replayed in the simulator")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _scatter(axes: Axes, shown: Sequence[Replayed]) -> None:
    values: list[float] = []
    for index, one in enumerate(shown):
        measured = [c.measured.duration_s for c in one.comparisons]
        predicted = [c.predicted_s for c in one.comparisons]
        values += measured + predicted
        label = f"{one.recording.name}, {'fitted' if one.recording.fitted else 'not used for the fit'}"
        axes.plot(measured, predicted, "o", color=COLORS[index % len(COLORS)], markersize=5, alpha=0.7, label=label)
    edge = np.array([0.8 * min(values), 1.25 * max(values)])
    axes.fill_between(edge, (1 - AIM) * edge, (1 + AIM) * edge, color="#e8e8e8", zorder=0, label=f"± {100 * AIM:.0f} %")
    axes.plot(edge, edge, color=MEASURED, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*edge)
    axes.set_ylim(*edge)
    ticks = [t for t in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if edge[0] <= t <= edge[1]]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_locator(FixedLocator([]))
    axes.set_aspect("equal")
    axes.set_xlabel("measured batch duration, s")
    axes.set_ylabel("predicted, s")
    axes.legend(loc="upper left", fontsize=8)


def _over_time(axes: Axes, one: Replayed, color: str) -> None:
    begin = one.comparisons[0].measured.start
    at = [c.measured.end - begin for c in one.comparisons]
    axes.plot(at, [c.measured.duration_s for c in one.comparisons], "o-", color=MEASURED, markersize=3, linewidth=0.8)
    axes.plot(at, [c.predicted_s for c in one.comparisons], "s-", color=color, markersize=3, linewidth=0.8)
    axes.set_ylim(bottom=0)
    axes.set_title(f"{one.recording.name}: measured (dark) and predicted; shaded: executors", fontsize=9)
    axes.set_ylabel("batch, s", fontsize=9)
    axes.set_xlabel("seconds since the first batch", fontsize=9)
    counts = axes.twinx()
    counts.fill_between(
        at, [c.measured.executors for c in one.comparisons], step="pre", color=EXECUTORS, alpha=0.5, linewidth=0
    )
    most = max(c.measured.executors for c in one.comparisons)
    counts.set_ylim(0, 3 * most)
    counts.set_yticks(range(1, most + 1))
    counts.tick_params(labelsize=7)
    axes.set_zorder(counts.get_zorder() + 1)
    axes.patch.set_visible(False)
