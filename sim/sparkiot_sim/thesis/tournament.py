"""Policies against each other and against the limit, all on identical traces."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights
from sparkiot_policies.rules import RULES

from .actors import Actor, LimitActor, RuleActor
from .arena import Observations, ThesisArena
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
    return play_steps(arena, actor, observations, steps=draws.steps)[0]


def play_steps(
    arena: ThesisArena, actor: Actor, observations: Observations, *, steps: int
) -> tuple[Run, list[Observations]]:
    """Play the next steps from the present observations, (N, 13); the run, and what each step showed."""
    shape = steps, len(observations)
    run, shown = Run(np.empty(shape), np.empty(shape)), [observations]
    for t in range(steps):
        step = arena.step(actor.act(shown[-1]))
        shown.append(step.observations)
        run.cost[t], run.latency[t] = step.outcome.cost, step.outcome.latency
    return run, shown[1:]


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
