"""The picture of a run: load with burst signals, executors over the shuffle tier, latency against its objective."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from sparkiot_policies.allocation import TIERS

from .timeline import Column, Timeline

TIER_COLORS = ("#f4b6ab", "#f7dfa5", "#bcd9f2", "#d5d8dc")
LOAD, FORECAST, RUNNING, WANTED, LATENCY, OBJECTIVE = "#3a3a3a", "#e07a1f", "#1f5fa8", "#d1495b", "#6a3d9a", "#c0392b"


def plot(timelines: Sequence[Timeline], path: Path, *, title: str) -> None:
    """Write a PNG with one column a job. Raises ValueError when there is nothing to draw."""
    if not timelines or any(len(t.time) == 0 for t in timelines):
        raise ValueError("nothing to draw: a timeline is empty")
    figure = Figure(figsize=(6.5 * len(timelines), 9), layout="constrained")
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(3, len(timelines), sharex="col", squeeze=False, height_ratios=(3, 3, 2))
    for column, timeline in enumerate(timelines):
        load, executors, latency = axes[:, column]
        hours = (timeline.time - timeline.time[0]) / 3600
        _draw_load(load, hours, timeline)
        _draw_executors(executors, hours, timeline)
        _draw_latency(latency, hours, timeline)
        load.set_title(f"{timeline.name}\n{timeline.subtitle}" if timeline.subtitle else timeline.name, fontsize=11)
        latency.set_xlabel("hours since the start")
    for row, label in enumerate(("messages/s", "executors", "latency, s")):
        axes[row, 0].set_ylabel(label)
        axes[row, 0].legend(loc="upper left", fontsize=7, ncols=3, framealpha=0.85)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _draw_load(axes: Axes, hours: Column, t: Timeline) -> None:
    axes.plot(hours, t.predicted, color=FORECAST, linewidth=0.8, label="edge forecast")
    axes.plot(hours, t.rate, color=LOAD, linewidth=1.0, label="load")
    alarms = t.burst > 0
    top = max(float(np.nanmax(t.rate)), 1.0)
    marks = np.full(int(alarms.sum()), -0.03 * top)
    axes.plot(hours[alarms], marks, "^", color=FORECAST, markersize=4, label="burst signal")
    axes.set_ylim(bottom=-0.06 * top)


def _draw_executors(axes: Axes, hours: Column, t: Timeline) -> None:
    for index, (tier, color) in enumerate(zip(TIERS, TIER_COLORS, strict=True)):
        if (used := t.tier == index).any():
            axes.fill_between(
                hours,
                0,
                1,
                where=used.tolist(),
                step="post",
                transform=axes.get_xaxis_transform(),
                color=color,
                linewidth=0,
                label=f"tier {tier.value}",
            )
    axes.step(hours, t.wanted, where="post", color=WANTED, linewidth=0.8, label="wanted")
    axes.step(hours, t.running, where="post", color=RUNNING, linewidth=1.2, label="running")
    axes.set_ylim(0, 1.08 * max(np.nanmax(t.wanted), np.nanmax(t.running), 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_latency(axes: Axes, hours: Column, t: Timeline) -> None:
    axes.plot(hours, t.latency_ms / 1000, color=LATENCY, linewidth=0.9, label="latency")
    axes.axhline(t.latency_target_ms / 1000, color=OBJECTIVE, linewidth=1, linestyle="--", label="objective")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
