"""Policies against each other and against the limit, all on identical traces."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights
from sparkiot_policies.rules import RULES

from .actors import Actor, LimitActor, RuleActor
from .arena import ThesisArena
from .draws import STEPS, Draws, seeded
from .model import SLA_MS, Floats


@dataclass(frozen=True, slots=True)
class Run:
    """What one actor met, shape (T, N). cost: $/h of each step. latency: ms."""

    cost: Floats
    latency: Floats

    @property
    def violations_percent(self) -> Floats:
        """Share of steps over the SLA, one a trace."""
        share: Floats = np.mean(self.latency > SLA_MS, axis=0)
        return 100 * share

    @property
    def cost_dollars(self) -> Floats:
        """The arena's total: the plain sum over steps, one a trace."""
        total: Floats = np.sum(self.cost, axis=0)
        return total

    @property
    def latency_p95_ms(self) -> Floats:
        """One a trace."""
        return np.percentile(self.latency, 95, axis=0)

    @property
    def global_reward(self) -> Floats:
        """The thesis' own measure of a run, one a trace: 1000 / (mean latency + 1) - 0.1 · mean cost."""
        reward: Floats = 1000 / (np.mean(self.latency, axis=0) + 1) - 0.1 * np.mean(self.cost, axis=0)
        return reward


@dataclass(frozen=True, slots=True)
class Row:
    """One policy's line of the table, means over traces; ``worst_violations_percent`` is the worst trace's,
    ``spread_violations_percent`` the standard deviation over traces, NaN of a single one.

    limit_ratio: cost over that of the limit that assumes the worst shuffle size, on the same traces. global_reward: the
    thesis' own measure, see Run.
    """

    policy: str
    violations_percent: float
    worst_violations_percent: float
    spread_violations_percent: float
    cost_dollars: float
    latency_p95_ms: float
    limit_ratio: float
    global_reward: float

    def to_dict(self) -> dict[str, float | str]:
        return asdict(self)


def play_run(actor: Actor, draws: Draws, weights: Weights = SCENARIO_WEIGHTS[Scenario.BALANCED]) -> Run:
    """Play an actor through traces under some reward weights."""
    arena = ThesisArena(draws.traces, seed=0, weights=weights)
    observations = arena.reset(draws)
    actor.begin(draws)
    cost, latency = np.empty_like(draws.rate), np.empty_like(draws.rate)
    for t in range(draws.steps):
        step = arena.step(actor.act(observations))
        observations = step.observations
        cost[t], latency[t] = step.outcome.cost, step.outcome.latency
    return Run(cost, latency)


def tournament(
    actors: Sequence[Actor],
    *,
    seeds: Sequence[int],
    weights: Weights = SCENARIO_WEIGHTS[Scenario.BALANCED],
    steps: int = STEPS,
) -> list[Row]:
    """The table: the given actors, then both limits. Each seed is one trace that all of them meet."""
    draws = seeded(seeds, steps=steps)
    runs = [(actor.identity.name, play_run(actor, draws, weights)) for actor in [*actors, *limits()]]
    reference = runs[-1][1].cost_dollars.mean()
    return [
        Row(
            policy=name,
            violations_percent=float(run.violations_percent.mean()),
            worst_violations_percent=float(run.violations_percent.max()),
            spread_violations_percent=_spread(run.violations_percent),
            cost_dollars=float(run.cost_dollars.mean()),
            latency_p95_ms=float(run.latency_p95_ms.mean()),
            limit_ratio=float(run.cost_dollars.mean() / reference),
            global_reward=float(run.global_reward.mean()),
        )
        for name, run in runs
    ]


def baselines() -> list[Actor]:
    """The rules that the thesis compared with."""
    return [RuleActor(RULES[name]()) for name in ("Fixed", "Dexter", "Seer")]


def limits() -> list[Actor]:
    """The limits that every table ends with; costs are held against the last one's."""
    return [LimitActor("known"), LimitActor("worst")]


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else math.nan
