"""What the meta-controller learns on: a job that the shipped policy runs, under weights that change every few minutes.

    g = m(q) · target / latency - cost - SHORTFALL · max(q - met, 0) - OVERRUN · max(burn - 1, 0)

The first two terms are the thesis's global reward, 1000 / (latency + 1) - 0.1 · cost, in units that fit a job of any
size: mean latency over the job's target, dollars over the reference of ``reward.py`` at the step's load. The other two
are what a job promises: its objective (the quantile q, of which ``met`` is the share of the step's batches that kept
it) and its budget. What is asked shifts within an episode, and m(q), from 0 at LAX to 1 at STRICT, says what promptness
is worth then: who is content with four batches in five wants to save. Weights that suit every moment do not exist.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Context
from sparkiot_policies.graph import MIN_WEIGHT
from sparkiot_policies.history import History
from sparkiot_policies.job import Job
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.manifest import CONTEXTS
from sparkiot_policies.objectives import Weights
from sparkiot_policies.rules import rule
from sparkiot_sim.randomisation import Randomisation
from sparkiot_sim.reward import reference_per_hour
from sparkiot_sim.setting import Setting

from .vec_env import BatchStep, Observations

CONTEXT_SCHEMA = 2
ELEMENTS = CONTEXTS[CONTEXT_SCHEMA]
STEP_S = 600.0
LEAST_LOAD = 0.25
"""Of the mean: below it a job cannot be cheaper, as one executor is the least."""
SHORTFALL = 10.0
OVERRUN = 2.0
LAX, STRICT = 0.8, 0.95
QUANTILES = (0.8, 0.8, 0.9, 0.95, 0.95, 0.99, 0.99)
SHIFT_SHARE = 1 / 9
"""Chance that a step asks for another quantile: every hour and a half on average."""
BUDGET_SHARE = 0.25
"""Share of episodes whose job has a budget, of BUDGET_FACTORS times its reference cost."""
BUDGET_FACTORS = (1.2, 3.0)


class GivenWeights:
    """The agent as a meta-controller."""

    identity = PolicyIdentity("agent")

    def __init__(self) -> None:
        self.chosen = Weights(1 / 3, 1 / 3, 1 / 3)

    def weights(self, _: Context) -> Weights:
        return self.chosen


class MetaEnv(gym.Env[npt.NDArray[np.float32], npt.NDArray[np.float32]]):
    """A step is STEP_S of a simulated job. Observation: the context, raw. Action: Box(-1, 1, (3,)), mapped as the
    artifact's graph does it. policy: the artifact that runs the job."""

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium declares it so

    def __init__(self, *, policy: Path, randomisation: Randomisation) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (len(ELEMENTS),), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
        self._policy = LearnedPolicy(load_artifact(policy))
        self._randomisation = randomisation
        self._meta = GivenWeights()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        given: Setting | None = (options or {}).get("setting")
        self._setting = setting = given or self._draw()
        self._simulated = setting.simulated()
        self._controller = Controller(
            setting.job,
            policy=self._policy,
            fallback=rule("Rate"),
            meta=self._meta,
            history=History(since=setting.start, allocation=setting.job.initial),
        )
        self._reference = reference_per_hour(setting.job, setting.profile, setting.workload)
        self._now = setting.start
        self._seen = np.zeros(len(ELEMENTS), dtype=np.float32)
        self._meta.chosen = Weights(1 / 3, 1 / 3, 1 / 3)
        self._shifts = given is None
        self._run()
        return self._seen.copy(), {}

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        self._meta.chosen = to_weights(action)
        if self._shifts and self.np_random.random() < SHIFT_SHARE:
            self._ask(QUANTILES[self.np_random.integers(len(QUANTILES))])
        value = self._run()
        over = self._now + STEP_S > self._setting.start + self._setting.duration_s
        return self._seen.copy(), value, False, over, {}

    def _draw(self) -> Setting:
        """An episode whose weights nobody pinned, sometimes with a budget."""
        setting, rng = self._randomisation.draw(self.np_random), self.np_random
        budget = None
        if rng.random() < BUDGET_SHARE:
            reference = reference_per_hour(setting.job, setting.profile, setting.workload)
            budget = reference * rng.uniform(*BUDGET_FACTORS)
        quantile = QUANTILES[rng.integers(len(QUANTILES))]
        objectives = replace(setting.job.objectives, weights=None, budget_per_hour=budget, quantile=quantile)
        return replace(setting, job=replace(setting.job, objectives=objectives))

    def _ask(self, quantile: float) -> None:
        """Edit the job, as its resource may be edited while it runs."""
        job = self._setting.job
        self._setting = replace(self._setting, job=replace(job, objectives=replace(job.objectives, quantile=quantile)))
        self._controller.job = self._setting.job

    def _run(self) -> float:
        """Let STEP_S pass; returns the global reward of that time."""
        job, simulated, controller = self._setting.job, self._simulated, self._controller
        dollars, latencies, end = simulated.cost_dollars, [], self._now + STEP_S
        while self._now + job.interval_s <= end:
            self._now += job.interval_s
            simulated.advance(self._now)
            measurement = simulated.measure()
            evaluation, decision = controller.step(measurement, signal=simulated.signal(), now=self._now)
            controller.accept(evaluation, decision)
            simulated.apply(decision.allocation)
            latencies += [b.latency_ms for b in measurement.batches]
        context = evaluation.context
        values = [getattr(context, name) for name in ELEMENTS]
        known = np.array([np.nan if v is None else v for v in values], dtype=np.float32)
        self._seen = np.where(np.isnan(known), self._seen, known).astype(np.float32)
        load = self._setting.workload.arrivals(end - STEP_S, end) / (self._setting.workload.mean_rate * STEP_S)
        spent = (simulated.cost_dollars - dollars) / (self._reference * max(load, LEAST_LOAD) * STEP_S / 3600)
        return global_reward(job, context, latencies=latencies, cost=spent)


def global_reward(job: Job, context: Context, *, latencies: Sequence[float], cost: float) -> float:
    """g of the module's formula. latencies: of the step's batches, ms. cost: over the reference. Without a batch
    latency counts as ten times its target, and the objective as missed."""
    objectives = job.objectives
    late = float(np.mean(latencies)) / objectives.latency_target_ms if latencies else 10.0
    met = float(np.mean(np.array(latencies) <= objectives.latency_target_ms)) if latencies else 0.0
    worth = min(max((objectives.quantile - LAX) / (STRICT - LAX), 0.0), 1.0)
    shortfall = max(objectives.quantile - met, 0.0)
    burn = (context.budget_burn or 0.0) if objectives.budget_per_hour else 0.0
    return worth / max(late, 0.1) - cost - SHORTFALL * shortfall - OVERRUN * max(burn - 1, 0.0)


def to_weights(action: npt.NDArray[np.float32]) -> Weights:
    """The graph's map from an actor's output to weights: positive, sum 1."""
    raw = (np.asarray(action, dtype=np.float64) + 1) / 2 + MIN_WEIGHT
    cost, latency, throughput = (raw / raw.sum()).tolist()
    return Weights(cost, latency, throughput)


class MetaGroup:
    """The environments of one process."""

    def __init__(self, seeds: Sequence[int], *, policy: Path, randomisation: Randomisation) -> None:
        self._envs = [MetaEnv(policy=policy, randomisation=randomisation) for _ in seeds]
        self._seeds = seeds

    def reset(self) -> Observations:
        return np.stack([env.reset(seed=seed)[0] for env, seed in zip(self._envs, self._seeds, strict=True)])

    def step(self, actions: npt.NDArray[np.float32]) -> BatchStep:
        steps = [env.step(action) for env, action in zip(self._envs, actions, strict=True)]
        finals = np.stack([step[0] for step in steps])
        done = np.array([step[3] for step in steps])
        following = [env.reset()[0] if over else seen for env, seen, over in zip(self._envs, finals, done, strict=True)]
        return BatchStep(np.stack(following), np.array([step[1] for step in steps]), done, finals)
