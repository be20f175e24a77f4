"""Objectives that shift within a run: the meta-controller beside every fixed choice of reward weights.

Who always weighs latency pays at night for attainment that nobody asked for; who always saves breaks by day what was
promised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sparkiot_policies.objectives import SCENARIO_WEIGHTS
from sparkiot_sim.shifting import ShiftingResult, play_shifting

from .entry import Entrant, Entry
from .matches import Match, Played, Tournament
from .paired import paired
from .processes import Progress, over_processes, silent
from .statistics import Estimate

META = "meta-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRun(Played):
    """One entry's run of one round under objectives that shift."""

    result: ShiftingResult

    def to_dict(self) -> dict[str, Any]:
        """Flat, for a CSV."""
        row = self.match()
        for name, value in self.result.to_dict().items():
            if isinstance(value, tuple):
                row |= {f"{name}_{part}": v for part, v in zip(("cost", "latency", "throughput"), value, strict=True)}
            else:
                row[name] = value
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifted:
    """One entry over all runs, means; and what it differs from the meta-controller by, entry minus meta-controller.

    kept: of what was asked, the share that was kept. cost_percent, kept_points: paired, None for the meta-controller
    itself. beaten: rounds of a load and preset in which the meta-controller costs less, on the mean over seeds, and
    keeps as much.
    """

    policy: str
    kept: float
    attainment_day: float
    attainment_night: float
    cost_dollars: float
    cost_percent: Estimate | None
    kept_points: Estimate | None
    beaten: int
    cells: int

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("policy", "kept", "attainment_day", "attainment_night", "cost_dollars", "beaten", "cells")
        }
        for name in ("cost_percent", "kept_points"):
            found: Estimate | None = getattr(self, name)
            row[name], row[f"{name}_ci95"] = (found.mean, found.interval) if found else (None, None)
        return row


def entries(policy: str) -> tuple[Entry, ...]:
    """A learned policy, by name or path, under the meta-controller and under each fixed scenario."""
    fixed = (Entry(name=scenario.value, policy=f"{policy}:weights={scenario}") for scenario in SCENARIO_WEIGHTS)
    return (Entry(name=META, policy=f"{policy}:weights=Auto"), *fixed)


def play_shifts(tournament: Tournament, *, workers: int | None = None, progress: Progress = silent) -> list[ShiftRun]:
    """Play every match of a program of ``entries``; raises as ``over_processes``."""
    return over_processes(tournament, _run, workers=workers, progress=progress)


def compare(runs: Sequence[ShiftRun]) -> list[Shifted]:
    """One line an entry, in the order in which they were played."""
    by_entry: dict[str, list[ShiftRun]] = {}
    for run in runs:
        by_entry.setdefault(run.policy, []).append(run)
    return [_line(name, own, by_entry[META]) for name, own in by_entry.items()]


def _run(tournament: Tournament, match: Match, player: Entrant | None) -> ShiftRun:
    if player is None:
        raise ValueError("the oracle knows no objectives that shift")
    result = play_shifting(tournament.setting(match), player.policy, weights=player.weights, meta=player.meta)
    return ShiftRun(**Played.of(match).match(), result=result)


def _line(name: str, own: Sequence[ShiftRun], meta: Sequence[ShiftRun]) -> Shifted:
    def mean(of: Sequence[ShiftRun], what: str) -> float:
        return fmean(getattr(run.result, what) for run in of)

    cells = list(dict.fromkeys(run.cell for run in own))
    sides = [([r for r in own if r.cell == cell], [r for r in meta if r.cell == cell]) for cell in cells]
    beaten = sum(
        mean(theirs, "cost_dollars") < mean(ours, "cost_dollars") and mean(theirs, "kept") >= mean(ours, "kept")
        for ours, theirs in sides
    )
    other = name != META
    return Shifted(
        policy=name,
        kept=mean(own, "kept"),
        attainment_day=mean(own, "attainment_day"),
        attainment_night=mean(own, "attainment_night"),
        cost_dollars=mean(own, "cost_dollars"),
        cost_percent=paired(own, meta, _cost_percent) if other else None,
        kept_points=paired(own, meta, lambda a, b: 100 * (a.result.kept - b.result.kept)) if other else None,
        beaten=beaten,
        cells=len(cells),
    )


def _cost_percent(ours: ShiftRun, theirs: ShiftRun) -> float:
    return 100 * (ours.result.cost_dollars / theirs.result.cost_dollars - 1)
