"""What the meta-controller learns on: a job that the shipped policy runs, under weights that change every few minutes.

    g = -cost - BUDGET · late / (1 - q) - OVERRUN · max(burn - 1, 0)

cost: dollars of the step over the reference of ``reward.py`` at the step's load. late: share of the step's batches that
missed the latency target. The objective q is the share that must meet it, and so allows 1 - q of them to be late: what
using up that allowance is worth, BUDGET of a bill, does not depend on how large it is. burn: of the budget, where the
job states one. What is asked shifts within an episode, as its owner may edit it: weights that suit every moment do not
exist.

How good a step is depends on its load far more than on the weights: a critic that is told g hears the load and nothing
else. So each episode is played by several siblings and a twin of them, which meet the same arrivals, the same cluster
and the same signals. The siblings act under weights of the agent's, the twin under equal ones, and a sibling's reward
is what its g exceeds the twin's by. It saturates at WIDTH bills of the step, as a rare overload would drown everything
else.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Context
from sparkiot_policies.job import Job
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.manifest import CONTEXTS
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights
from sparkiot_policies.rules import rule
from sparkiot_sim.episode import Cycle, Run
from sparkiot_sim.randomisation import Randomisation
from sparkiot_sim.reward import reference_per_hour
from sparkiot_sim.setting import Setting, with_weights

from .td3 import to_weights
from .vec_env import BatchStep, Observations, joined

CONTEXT_SCHEMA = 2
ELEMENTS = CONTEXTS[CONTEXT_SCHEMA]
STEP_S = 600.0
LEAST_LOAD = 0.25
"""Of the mean: below it a job cannot be cheaper, as one executor is the least."""
BUDGET = 0.1
OVERRUN = 2.0
QUANTILES = (0.8, 0.8, 0.9, 0.95, 0.99, 0.99, 0.99)
SHIFT_SHARE = 1 / 9
"""Chance that a step asks for another quantile: every hour and a half on average."""
BUDGETED = 0.25
"""Share of episodes whose job has a budget, of BUDGET_FACTORS times its reference cost."""
BUDGET_FACTORS = (1.2, 3.0)
INTERVAL_S = 30.0
"""Least time between two decisions of the job, three times the usual one: more hours fit into the training."""
WIDTH = 3.0
SIBLINGS = 5
"""That share an episode and a twin."""


class GivenWeights:
    """Weights from outside as a meta-controller."""

    identity = PolicyIdentity("agent")

    def __init__(self) -> None:
        self.chosen = SCENARIO_WEIGHTS[Scenario.BALANCED]

    def weights(self, _: Context) -> Weights:
        return self.chosen


class Sibling:
    """One job of an episode, and what its weights come to, step by step."""

    def __init__(self, setting: Setting, policy: LearnedPolicy, asked: "Asked") -> None:
        self._meta = GivenWeights()
        self._setting = setting
        self._reference = reference_per_hour(setting.job, setting.profile, setting.workload.mean_rate)
        self._run = Run(
            job=setting.job,
            simulated=setting.simulated(),
            policy=policy,
            fallback=rule("Rate"),
            meta=self._meta,
            start=setting.start,
            edit=asked.job,
        )
        self.seen = np.zeros(len(ELEMENTS), dtype=np.float32)
        self.step()

    def step(self, weights: Weights | None = None) -> float:
        """Let STEP_S pass under some weights, the last ones where none are given; returns the step's g."""
        self._meta.chosen = weights or self._meta.chosen
        begun, dollars = self._run.now, self._run.simulated.cost_dollars
        cycles = self._run.cycles(STEP_S)
        context = cycles[-1].evaluation.context
        known = np.array([_number(getattr(context, name)) for name in ELEMENTS], dtype=np.float32)
        self.seen = np.where(np.isnan(known), self.seen, known)
        workload, passed = self._setting.workload, self._run.now - begun
        load = workload.arrivals(begun, self._run.now) / (workload.mean_rate * passed)
        spent = (self._run.simulated.cost_dollars - dollars) / (self._reference * max(load, LEAST_LOAD) * passed / 3600)
        quantile = cycles[0].evaluation.context.quantile  # the last cycle shows what the next step is asked
        return worth(context, quantile=quantile or 0.0, late=_late(cycles, self._setting.job), cost=spent)


class Asked:
    """What an episode asks: a quantile for each of its steps, drawn beforehand so that siblings are asked the same."""

    def __init__(self, start: float, quantiles: Sequence[float]) -> None:
        self._start = start
        self._quantiles = quantiles

    def job(self, job: Job, now: float) -> Job:
        """As it is asked at ``now``. The decision that ends a step is the first to know what the next one is asked."""
        step = min(int((now - self._start) // STEP_S), len(self._quantiles) - 1)
        return replace(job, objectives=replace(job.objectives, quantile=self._quantiles[step]))


class Family:
    """Siblings and their twin, one episode after the other. policy: the artifact that runs their jobs."""

    def __init__(self, seed: int, *, policy: LearnedPolicy, randomisation: Randomisation) -> None:
        self._rng = np.random.default_rng(seed)
        self._policy = policy
        self._randomisation = randomisation

    def reset(self, setting: Setting | None = None) -> Observations:
        """Begin an episode, a given one or a drawn one; the contexts of all siblings, (SIBLINGS, elements)."""
        setting = setting or self._draw()
        self._left = int(setting.duration_s // STEP_S) - 1
        asked = Asked(setting.start, self._quantiles(self._left + 1))
        *self._siblings, self._twin = (Sibling(setting, self._policy, asked) for _ in range(SIBLINGS + 1))
        return self._seen()

    def step(self, actions: npt.NDArray[np.float32]) -> BatchStep:
        """Actions (SIBLINGS, 3) in [-1, 1]."""
        weights = [Weights(*row) for row in to_weights(actions).tolist()]
        usual = self._twin.step()
        gains = np.array([sibling.step(w) - usual for sibling, w in zip(self._siblings, weights, strict=True)])
        self._left -= 1
        final, over = self._seen(), self._left == 0
        return BatchStep(
            self.reset() if over else final, WIDTH * np.tanh(gains / WIDTH), np.full(SIBLINGS, over), final
        )

    def _seen(self) -> Observations:
        return np.stack([sibling.seen for sibling in self._siblings]).astype(np.float32)

    def _draw(self) -> Setting:
        """An episode whose weights nobody pinned, sometimes with a budget."""
        setting, rng = with_weights(self._randomisation.draw(self._rng), None), self._rng
        job, budget = setting.job, None
        if rng.random() < BUDGETED:
            reference = reference_per_hour(job, setting.profile, setting.workload.mean_rate)
            budget = reference * rng.uniform(*BUDGET_FACTORS)
        objectives = replace(job.objectives, budget_per_hour=budget)
        interval_s = max(job.interval_s, INTERVAL_S)
        return replace(setting, job=replace(job, objectives=objectives, interval_s=interval_s))

    def _quantiles(self, steps: int) -> list[float]:
        asked = [float(self._rng.choice(QUANTILES))]
        for _ in range(steps - 1):
            shifts = self._rng.random() < SHIFT_SHARE
            asked.append(float(self._rng.choice(QUANTILES)) if shifts else asked[-1])
        return asked


def worth(context: Context, *, quantile: float, late: float, cost: float) -> float:
    """g of the module's formula. late: share of the step's batches. cost: over the reference."""
    burn = (context.budget_burn or 0.0) if context.budgeted else 0.0
    return -cost - BUDGET * late / (1 - quantile) - OVERRUN * max(burn - 1, 0.0)


def _late(cycles: Sequence[Cycle], job: Job) -> float:
    """Share of the batches that missed the target; all of it without a batch."""
    late = [b.latency_ms > job.objectives.latency_target_ms for c in cycles for b in c.measurement.batches]
    return sum(late) / len(late) if late else 1.0


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


class MetaGroup:
    """The environments of one process: families of SIBLINGS each. seeds: one for each environment; a family takes its
    first sibling's."""

    def __init__(self, seeds: Sequence[int], *, policy: Path, randomisation: Randomisation) -> None:
        if len(seeds) % SIBLINGS:
            raise ValueError(f"{len(seeds)} environments in a process; they come in families of {SIBLINGS}")
        learned = LearnedPolicy(load_artifact(policy))
        self._families = [Family(seed, policy=learned, randomisation=randomisation) for seed in seeds[::SIBLINGS]]

    def reset(self) -> Observations:
        return np.concatenate([family.reset() for family in self._families])

    def step(self, actions: npt.NDArray[np.float32]) -> BatchStep:
        parts = np.split(actions, len(self._families))
        return joined([family.step(part) for family, part in zip(self._families, parts, strict=True)])
