"""The meta-controller in the thesis arena: its global reward beside every fixed choice of weights, and the bound.

The thesis claims a gain over fixed equal weights. That says little alone: the best fixed weights, found by a sweep over
these very seeds, and what no actions can pass say how much of it there was to gain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkiot_policies import library
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights
from sparkiot_sim.thesis.actors import Actor, LearnedActor
from sparkiot_sim.thesis.draws import Draws, repeated, seeded
from sparkiot_sim.thesis.governed import Choice, GovernedActor, fixed
from sparkiot_sim.thesis.model import Floats
from sparkiot_sim.thesis.reward_bound import best_global_reward
from sparkiot_sim.thesis.tournament import Run, play_run

from .sections import PUBLISHED_GAIN, Section, amount, signed
from .statistics import Estimate, estimate

META = "thesis-meta"
"""The shipped meta-controller that was trained in this arena."""
NAME, BEST, BOUND = "meta-controller", "best fixed weights", "bound"
PARTS = 20
"""Into which the sweep cuts each weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One way to set the weights, over seeds. weights: cost, latency and throughput, the mean of those that were
    chosen. gain: percent of global reward over fixed equal
    weights, paired by seed. The bound is no run: it has neither weights nor the last three."""

    name: str
    weights: tuple[float, float, float] | None
    global_reward: Estimate
    gain: Estimate
    violations_percent: float | None = None
    cost_dollars: float | None = None
    latency_mean_ms: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "weights_by": self.name,
            "weights": self.weights,
            "global_reward": self.global_reward.mean,
            "global_reward_ci95": self.global_reward.interval,
            "gain_percent": self.gain.mean,
            "gain_percent_ci95": self.gain.interval,
            "published_percent": PUBLISHED_GAIN if self.name == NAME else None,
            "violations_percent": self.violations_percent,
            "cost_dollars": self.cost_dollars,
            "latency_mean_ms": self.latency_mean_ms,
        }

    def shown(self) -> dict[str, str]:
        """For people, under the section's headings."""
        return {
            "name": self.name,
            "weights": " / ".join(f"{part:.2f}" for part in self.weights) if self.weights else "–",
            "reward": amount(self.global_reward, digits=3),
            "gain": signed(self.gain),
            "published": f"{PUBLISHED_GAIN:+.2f}" if self.name == NAME else "–",
            "violations": _shown(self.violations_percent, digits=2),
            "cost": _shown(self.cost_dollars),
            "latency": _shown(self.latency_mean_ms),
        }


def lines(policy: LearnedPolicy, meta: LearnedMetaController, *, seeds: Sequence[int]) -> list[Line]:
    """The meta-controller, each scenario, the best fixed weights in hindsight, and the bound, on the same traces."""
    draws, actor = seeded(seeds), LearnedActor(policy)
    chosen: list[Floats] = []

    def by_meta(contexts: np.ndarray[Any, np.dtype[np.float32]]) -> Floats:
        chosen.append(meta.batch(contexts).astype(np.float64))
        return chosen[-1]

    equal = _play(actor, draws, fixed(SCENARIO_WEIGHTS[Scenario.BALANCED])).global_reward
    found = [(NAME, _play(actor, draws, by_meta), Weights(*np.mean(chosen, axis=(0, 1)).tolist()))]
    ways = {**{s.value: w for s, w in SCENARIO_WEIGHTS.items()}, BEST: best_fixed(actor, draws)}
    found += [(name, _play(actor, draws, fixed(weights)), weights) for name, weights in ways.items()]
    best = best_global_reward(draws)
    bound = Line(name=BOUND, weights=None, global_reward=_estimate(best), gain=_gain(best, equal))
    return [*(_line(*played, equal) for played in found), bound]


def best_fixed(actor: Actor, draws: Draws) -> Weights:
    """Of all weights in steps of 1 / PARTS, those with the highest mean global reward on these traces."""
    steps = range(PARTS + 1)
    grid = np.array([(a, b, PARTS - a - b) for a in steps for b in steps if a + b <= PARTS]) / PARTS
    run = play_run(
        GovernedActor(actor, lambda _: grid.repeat(draws.traces, axis=0), name=BEST), repeated(draws, len(grid))
    )
    return Weights(*grid[run.global_reward.reshape(len(grid), -1).mean(axis=1).argmax()].tolist())


def section(policy: str, *, seeds: Sequence[int]) -> Section:
    """The table over a policy and the shipped meta-controller. Raises PolicyError."""
    found = lines(LearnedPolicy(library.load(policy)), LearnedMetaController(library.load(META)), seeds=seeds)
    return Section(
        key="meta_controller",
        title=f"{META} over {policy}: global reward",
        note="Global reward as the thesis defines it: 1000 / (mean latency in ms + 1) - 0.1 · mean cost in $/h. Gain:"
        f" over fixed equal weights, paired by seed, with 95 % confidence. {BEST.capitalize()}: of all in steps of"
        f" {1 / PARTS:g}, found on these seeds. Bound: no actions can pass it, with every shuffle size known.",
        headings={
            "name": "weights by",
            "weights": "cost / latency / throughput",
            "reward": "global reward",
            "gain": "gain %",
            "published": "published %",
            "violations": "violations %",
            "cost": "cost $",
            "latency": "mean ms",
        },
        shown=[line.shown() for line in found],
        rows=[line.to_dict() for line in found],
    )


def _play(actor: Actor, draws: Draws, choose: Choice) -> Run:
    return play_run(GovernedActor(actor, choose, name=actor.identity.name), draws)


def _line(name: str, run: Run, weights: Weights, equal: Floats) -> Line:
    return Line(
        name=name,
        weights=(weights.cost, weights.latency, weights.throughput),
        global_reward=_estimate(run.global_reward),
        gain=_gain(run.global_reward, equal),
        violations_percent=float(run.violations_percent.mean()),
        cost_dollars=float(run.cost_dollars.mean()),
        latency_mean_ms=float(run.latency.mean()),
    )


def _shown(value: float | None, *, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _gain(rewards: Floats, equal: Floats) -> Estimate:
    return _estimate(100 * (rewards / equal - 1))


def _estimate(values: Floats) -> Estimate:
    return estimate(values.tolist(), lowest=-math.inf)
