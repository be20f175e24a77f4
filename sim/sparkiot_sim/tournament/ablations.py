"""What each part of a learned policy is worth: the whole of it beside the same without one part, on the same rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkiot_sim.setting import INITIAL

from .entry import BALANCED_SETTING, ORACLE, Entry
from .paired import Differences, differences, paired
from .play import SECONDS_PER_HOUR, Result
from .statistics import Estimate

REFERENCE = "Rate"
"""The rule that a learned policy falls back to: no ablation should lose more than this."""
COMPLETE = "complete"
EQUAL_WEIGHTS = "without meta-controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """One variant beside the complete policy: variant minus complete. worst: its lowest mean attainment under a load
    and preset, a share, and where that is."""

    variant: str
    differences: Differences
    worst_attainment: float
    worst: tuple[str, float, str]

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"variant": self.variant}
        for name, unit in (("attainment", "points"), ("cost", "percent"), ("latency", "p95_ms")):
            estimate: Estimate = getattr(self.differences, name)
            row[f"{name}_{unit}"], row[f"{name}_{unit}_ci95"] = estimate.mean, estimate.interval
        workload, mean_rate, preset = self.worst
        where = {"workload": workload, "mean_rate": mean_rate, "preset": preset}
        return row | {"worst_attainment": self.worst_attainment, "worst": where}


def entries(policy: str) -> tuple[Entry, ...]:
    """The complete policy, its variants and the reference. policy: name or path of a learned one, without settings.

    Complete is with edge signals of the tournament's quality, all tiers of the job and the meta-controller's weights.
    """
    complete = f"{policy}:weights=Auto"
    return (
        Entry(name=COMPLETE, policy=complete),
        Entry(name="without edge signals", policy=complete, signal="none"),
        Entry(name="wrong edge signals", policy=complete, signal="poor"),
        Entry(name="without tier choice", policy=complete, tier=INITIAL.tier),
        Entry(name=EQUAL_WEIGHTS, policy=f"{policy}:{BALANCED_SETTING}"),
        Entry(name="one interval late", policy=complete, delay=1),
        Entry(name="three intervals late", policy=complete, delay=3),
        Entry(name=REFERENCE, policy=REFERENCE),
    )


def ablations(results: Sequence[Result]) -> list[Ablation]:
    """One line for each entry but the complete one, in the order in which they were played."""
    by_entry: dict[str, list[Result]] = {}
    for result in results:
        if result.policy != ORACLE:
            by_entry.setdefault(result.policy, []).append(result)
    complete = by_entry.pop(COMPLETE)
    return [_ablation(name, own, complete) for name, own in by_entry.items()]


def global_reward(result: Result) -> float:
    """The thesis' own measure of a whole run: 1000 / (mean latency + 1) - 0.1 · mean cost, in ms and $/h."""
    hours = result.duration_s / SECONDS_PER_HOUR
    return 1000 / (result.summary.latency_mean_ms + 1) - 0.1 * result.summary.cost_dollars / hours


def meta_gain(results: Sequence[Result]) -> Estimate:
    """Percent of global reward that the complete policy gains over the same under fixed equal weights."""
    complete = [result for result in results if result.policy == COMPLETE]
    equal = [result for result in results if result.policy == EQUAL_WEIGHTS]
    return paired(complete, equal, lambda ours, theirs: 100 * (global_reward(ours) / global_reward(theirs) - 1))


def _ablation(name: str, own: Sequence[Result], complete: Sequence[Result]) -> Ablation:
    by_cell: dict[tuple[str, float, str], list[float]] = {}
    for result in own:
        by_cell.setdefault(result.cell[1:], []).append(result.summary.slo_attainment)
    means = {cell: sum(values) / len(values) for cell, values in by_cell.items()}
    worst = min(means, key=means.__getitem__)
    return Ablation(variant=name, differences=differences(own, complete), worst_attainment=means[worst], worst=worst)
