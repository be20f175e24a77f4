"""The picture of a sweep: every policy's settings and its front, cost against SLO attainment."""

from collections.abc import Sequence
from pathlib import Path

from .entry import ORACLE
from .fronts import Point
from .pictures import MOST_COLUMNS, attainment_axis, blocks, legend, look
from .play import Result
from .sections import place
from .sweep import family, fronts, settings

LOWEST = 80.0
"""Percent of attainment below which nobody would run a policy: settings further down are not drawn."""


def fronts_picture(results: Sequence[Result], path: Path) -> None:
    """One panel for each load and preset. Raises OSError when it cannot be written."""
    found, each = fronts(results), settings(results)
    families = [name for name in dict.fromkeys(family(result.policy) for result in results) if name != ORACLE]
    figure, panels = blocks(len(found), columns=min(len(found), MOST_COLUMNS), height=4.4)
    for (axes,), (cell, lines) in zip(panels, found.items(), strict=True):
        here = [name for name in (*families, ORACLE) if lines.get(name)]
        for name in here:
            color, marker = look(name, families)
            points, line = _drawn(each[cell][name]), _drawn(lines[name])
            axes.plot(*_axes(points), marker, color=color, alpha=0.35, markersize=5, markeredgewidth=0, zorder=2)
            axes.plot(
                *_axes(line),
                f"{marker}-",
                color=color,
                linewidth=2.0 if name == families[0] else 1.1,
                markersize=11 if name == ORACLE else 6,
                markeredgecolor="white",
                label=name,
                zorder=4 if name == families[0] else 3,
            )
        attainment_axis(axes)
        axes.set_xlim(0, 1.05 * max(p.cost for name in here for p in _drawn(each[cell][name])))
        axes.set_title(place(cell), fontsize=10)
        axes.set_xlabel("cost of a match, $")
        axes.set_ylabel("SLO attainment, % of batches")
    figure.suptitle("Every policy over its own knob: up and left is better\n(lines: fronts, faint: dominated settings)")
    legend(figure, panels[0][0], columns=len(families) + 1)
    figure.savefig(path, dpi=110)


def _drawn(points: Sequence[Point]) -> list[Point]:
    """Those that anybody would run, or all where there are none."""
    return [p for p in points if 100 * p.attainment >= LOWEST] or list(points)


def _axes(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [p.cost for p in points], [100 * p.attainment for p in points]
