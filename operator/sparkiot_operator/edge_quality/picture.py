"""Predictors in a picture: the alarm around a burst's beginning, when alarms come, and what a probability is worth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .evaluation import Evaluation
from .runs import Run
from .scoring import alarm_times, burst_leads, reliability

COLORS = ("#1f5fa8", "#d1495b", "#2a9d6e", "#e0a01f")
LOAD = "#3a3a3a"
AROUND = 5
"""Horizons that are shown before and after a burst's beginning."""


def draw(found: Sequence[Evaluation], path: Path, *, title: str) -> None:
    """Write a PNG. Raises ValueError for nothing to draw, OSError when it cannot be written."""
    if not found:
        raise ValueError("nothing was evaluated")
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    figure.suptitle(title)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1))
    _example(figure.add_subplot(grid[0, :]), found)
    _leads(figure.add_subplot(grid[1, 0]), found)
    _reliability(figure.add_subplot(grid[1, 1]), found)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _example(axes: Axes, found: Sequence[Evaluation]) -> None:
    """The load around its most typical burst: the one whose lead is the first predictor's median."""
    run, begin = _typical(found[0].runs)
    index = found[0].runs.index(run)
    span = AROUND * run.timing.horizon_s
    shown = (run.times >= begin - span) & (run.times <= begin + span)
    at = run.times[shown] - begin
    axes.plot(at, run.measured[shown], color=LOAD, linewidth=0.7, alpha=0.5, label="measured each interval")
    axes.plot(at, run.peak[shown], color=LOAD, linewidth=1.2, linestyle=":", label="highest within the horizon")
    axes.axvline(0, color=LOAD, linewidth=0.8)
    top = float(run.peak[shown].max())
    for number, each in enumerate(found):
        one, color = each.runs[index], COLORS[number % len(COLORS)]
        around = (one.times >= begin - span) & (one.times <= begin + span)
        axes.plot(one.times[around] - begin, one.expected[around], color=color, linewidth=1.2, label=each.predictor)
        for start, end in alarm_times(one):
            if start <= begin + span and end >= begin - span:
                left, right = max(start - begin, -span), min(end - begin, span)
                axes.plot((left, right), [-(0.05 + 0.04 * number) * top] * 2, color=color, linewidth=4)
    axes.set_xlabel("seconds since the burst's beginning (bars: alarm)")
    axes.set_ylabel("messages/s")
    axes.legend(loc="upper left", fontsize=8)


def _typical(runs: Sequence[Run]) -> tuple[Run, float]:
    leads = [(lead, one, burst.start) for one in runs for lead, burst in zip(burst_leads(one), one.bursts, strict=True)]
    caught = sorted((each for each in leads if np.isfinite(each[0])), key=lambda each: each[0])
    if not caught:
        return runs[0], float(runs[0].times[len(runs[0].times) // 2])
    _, run, begin = caught[len(caught) // 2]
    return run, begin


def _leads(axes: Axes, found: Sequence[Evaluation]) -> None:
    """Share of bursts for which the alarm had come, over the time from the burst's beginning."""
    for number, each in enumerate(found):
        horizon = each.runs[0].timing.horizon_s
        leads = np.array([lead for one in each.runs for lead in burst_leads(one)])
        if not leads.size:
            continue
        at = np.linspace(-horizon, horizon, 241)
        share = [(leads >= -moment).mean() for moment in at]
        axes.plot(at, share, color=COLORS[number % len(COLORS)], label=each.predictor)
    axes.axvline(0, color=LOAD, linewidth=0.8)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("seconds since the burst's beginning")
    axes.set_ylabel("share of bursts with an alarm")
    axes.legend(loc="upper left", fontsize=8)


def _reliability(axes: Axes, found: Sequence[Evaluation]) -> None:
    axes.plot((0, 1), (0, 1), color=LOAD, linewidth=0.8)
    for number, each in enumerate(found):
        bins = reliability(
            np.concatenate([one.probability for one in each.runs]), np.concatenate([one.true for one in each.runs])
        )
        said, came, _ = zip(*bins, strict=True)
        axes.plot(said, came, "o-", color=COLORS[number % len(COLORS)], markersize=4, label=each.predictor)
    axes.set_xlabel("probability of a burst, as predicted")
    axes.set_ylabel("share of times in a burst")
    axes.legend(loc="lower right", fontsize=8)
