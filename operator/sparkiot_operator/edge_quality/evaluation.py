"""Every predictor on the same loads: generated ones that no fit has seen, or a recorded one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkiot_edge.predictors import PREDICTORS
from sparkiot_edge.predictors.base import Timing
from sparkiot_sim.generators import DAY_S, Kind, generate
from sparkiot_sim.trace import read_trace
from sparkiot_sim.workload import Workload

from .runs import Run, run
from .scoring import Scores, score

MEAN_RATE = 300.0
FIRST_SEED = 1001
"""Of the generated loads, as in the tournament; the fit uses others."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One predictor on all loads. runs: in the loads' order."""

    predictor: str
    scores: Scores
    runs: tuple[Run, ...]

    def row(self) -> dict[str, Any]:
        found = self.scores
        return {
            "predictor": self.predictor,
            "bursts": found.bursts,
            "alarms": found.alarms,
            "announced": found.announced,
            "caught": found.caught,
            "precision": found.precision,
            "f1": found.f1,
            "lead_s": found.lead_s,
            "brier": found.brier,
            "brier_of_a_constant": found.brier_base,
            "calibration_error": found.calibration,
            "rate_error": found.rate_error,
            "rate_error_of_persistence": found.rate_error_base,
        }


def evaluate(
    loads: Sequence[Workload],
    timing: Timing,
    *,
    predictors: Sequence[str],
    step: Callable[[str], None] = lambda _: None,
) -> list[Evaluation]:
    """step: called after each run. Raises KeyError for an unknown predictor, ValueError for a short load."""
    found = []
    for name in predictors:
        runs = []
        for index, load in enumerate(loads):
            runs.append(run(PREDICTORS[name](timing), load, timing, seed=index))
            step(f"{name}, {load.name}")
        found.append(Evaluation(name, score(runs), tuple(runs)))
    return found


def generated_loads(kinds: Sequence[Kind], *, seeds: int, duration_s: float = DAY_S) -> list[Workload]:
    return [
        generate(kind, mean_rate=MEAN_RATE, duration_s=duration_s, seed=FIRST_SEED + seed)
        for kind in kinds
        for seed in range(seeds)
    ]


def recorded_load(path: Path, *, mean_rate: float) -> tuple[Workload, tuple[str, ...]]:
    """The load, and what is irregular about the recording. Raises TraceError."""
    trace = read_trace(path)
    return trace.workload.scaled(mean_rate), trace.report.warnings()


def timing_for(load: Workload, *, interval_s: float, horizon_s: float) -> Timing:
    """A series in steps that are longer than the horizon says nothing of what happens within one: it is then measured
    once a step, and a step is the horizon."""
    if load.step_s <= horizon_s:
        return Timing(interval_s=interval_s, horizon_s=horizon_s)
    return Timing(interval_s=load.step_s, horizon_s=load.step_s)
