"""What each part of a learned policy is worth: the whole of it beside the same without one part, on the same rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparkiot_sim.setting import INITIAL

from .entry import BALANCED_SETTING, ORACLE, Entry
from .paired import Differences, by_cell, differences, paired
from .play import SECONDS_PER_HOUR, Result
from .statistics import Estimate

REFERENCE = "Rate"
"""The rule that a learned policy falls back to: no ablation should lose more than this."""
COMPLETE = "complete"
NO_SIGNALS, WRONG_SIGNALS = "without edge signals", "wrong edge signals"
EQUAL_WEIGHTS = "without meta-controller"


Cell = tuple[str, float, str]
"""Workload, messages/s and preset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """One variant beside another: variant minus the one that it is held against, over all rounds.

    most_lost, dearest: the workload and preset with the lowest difference of attainment (points) and with the highest
    of cost (percent), means over seeds.
    """

    variant: str
    against: str
    differences: Differences
    most_lost: tuple[float, Cell]
    dearest: tuple[float, Cell]

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"variant": self.variant, "against": self.against}
        for name, unit in (("attainment", "points"), ("cost", "percent"), ("latency", "p95_ms")):
            estimate: Estimate = getattr(self.differences, name)
            row[f"{name}_{unit}"], row[f"{name}_{unit}_ci95"] = estimate.mean, estimate.interval
        for name, (value, (workload, mean_rate, preset)) in (("most_lost", self.most_lost), ("dearest", self.dearest)):
            row[name] = {"value": value, "workload": workload, "mean_rate": mean_rate, "preset": preset}
        return row


def entries(policy: str) -> tuple[Entry, ...]:
    """The complete policy, its variants and the reference. policy: name or path of a learned one, without settings.

    Complete is with edge signals of the tournament's quality, all tiers of the job and the meta-controller's weights.
    """
    complete = f"{policy}:weights=Auto"
    return (
        Entry(name=COMPLETE, policy=complete),
        Entry(name=NO_SIGNALS, policy=complete, signal="none"),
        Entry(name=WRONG_SIGNALS, policy=complete, signal="poor"),
        Entry(name="without tier choice", policy=complete, tier=INITIAL.tier),
        Entry(name=EQUAL_WEIGHTS, policy=f"{policy}:{BALANCED_SETTING}"),
        Entry(name="one interval late", policy=complete, delay=1),
        Entry(name="three intervals late", policy=complete, delay=3),
        Entry(name=REFERENCE, policy=REFERENCE),
    )


def ablations(results: Sequence[Result]) -> list[Ablation]:
    """Each entry against the complete policy, in the order in which they were played; then wrong edge signals against
    none and against the reference."""
    played: dict[str, list[Result]] = {}
    for result in results:
        if result.policy != ORACLE:
            played.setdefault(result.policy, []).append(result)
    pairs = [(name, COMPLETE) for name in played if name != COMPLETE]
    pairs += [(WRONG_SIGNALS, other) for other in (NO_SIGNALS, REFERENCE)]
    return [
        _ablation(name, against, played[name], played[against])
        for name, against in pairs
        if name in played and against in played
    ]


def global_reward(result: Result) -> float:
    """The thesis' own measure of a whole run: 1000 / (mean latency + 1) - 0.1 · mean cost, in ms and $/h."""
    hours = result.duration_s / SECONDS_PER_HOUR
    return 1000 / (result.summary.latency_mean_ms + 1) - 0.1 * result.summary.cost_dollars / hours


def meta_gain(results: Sequence[Result]) -> Estimate:
    """Percent of global reward that the complete policy gains over the same under fixed equal weights."""
    complete = [result for result in results if result.policy == COMPLETE]
    equal = [result for result in results if result.policy == EQUAL_WEIGHTS]
    return paired(complete, equal, lambda ours, theirs: 100 * (global_reward(ours) / global_reward(theirs) - 1))


def _ablation(name: str, against: str, own: Sequence[Result], other: Sequence[Result]) -> Ablation:
    others = by_cell(other)
    each = {cell: differences(group, others[cell]) for cell, group in by_cell(own).items()}
    lost = min(each, key=lambda cell: each[cell].attainment.mean)
    dear = max(each, key=lambda cell: each[cell].cost.mean)
    return Ablation(
        variant=name,
        against=against,
        differences=differences(own, other),
        most_lost=(each[lost].attainment.mean, lost),
        dearest=(each[dear].cost.mean, dear),
    )
