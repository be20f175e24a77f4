"""Training on the thesis arena: a contextual PPO policy that should pay little more than the limit.

What an action does there is over after one step, so the discount is 0: an honest reading of this arena, not a choice
that would suit a real cluster. The reward says what the objective is, the cost of a step and a price on violations;
the job's weights tilt that price: β buys safety, α sells it, and under none of them a violation is cheap.

At equal weights that is all, and the cheapest action that keeps the SLA the best one. Where latency weighs more than
cost, a second of it has a price of its own, and where throughput does, standing capacity has:

    r = -cost - tilt · violation - PROMPT · (β/α - 1)₊ · latency + STANDBY · (γ/α - 1)₊ · log(throughput)

β/α and γ/α are the rates at which the arena's own reward exchanges latency and throughput for dollars, counted from
equal weights. The logarithm, as throughput grows with the square of what one pays: its bare value is worth nothing or
everything.
"""

from pathlib import Path

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from pydantic import JsonValue
from stable_baselines3 import PPO

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.artifact import load_artifact, update_scores
from sparkiot_policies.features import LEAST, Feature
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.manifest import Manifest, Range
from sparkiot_policies.objectives import SCENARIO_WEIGHTS
from sparkiot_sim.thesis.actors import LearnedActor
from sparkiot_sim.thesis.arena import ThesisArena
from sparkiot_sim.thesis.draws import RATE_BOUNDS
from sparkiot_sim.thesis.model import SLA_MS, Floats, Outcome
from sparkiot_sim.thesis.tournament import tournament

from .ppo import PpoSettings, train_ppo
from .vec_env import BatchStep, Observations

NAME = "thesis"
ENVIRONMENTS = 512
EPISODE_STEPS = 64
"""Short, so that many reward weights are met; steps are independent of each other but for the load."""
HELD_OUT_SEEDS = tuple(range(900_001, 900_011))
"""Of the tournament that scores the artifact; training draws from other seeds."""
SETTINGS = PpoSettings(
    total_steps=3_000_000,
    rollout_steps=16,
    batch_size=2048,
    epochs=4,
    learning_rate=(2e-3, 1e-5),
    entropy=(0.02, 0.0),
    gamma=0.0,
    hidden=(64, 64),
    seed=1,
)

VIOLATION_DOLLARS = 5.0
"""What a step over the SLA costs beside its executors, at α = β: more than one more executor."""
EXCESS_DOLLARS = 20.0
"""What being over by the whole SLA costs besides; without it, a policy far off sees no slope towards safety."""
TILT = 0.5
"""How far weights move these prices: by the factor 1 + TILT · (β - α)."""
PROMPT = 3.0
"""What a second of latency costs where β is twice α: in between the SLA, for less than 5 of which nothing is bought
beyond it, and 40, the most that the thesis's global reward can make of latency."""
STANDBY = 1.5
"""What e times the throughput is worth where γ is twice α; 4 · STANDBY executors of 8 GB then stand by at any load."""
COMPUTE_DOLLARS = 5.0
"""What a step usually costs."""
REWARD_SCALE = 0.1
"""Reward units in a dollar."""
LARGE_EXECUTORS_LOGIT = 4.0
"""Head start of 8 GB executors; see ``start_with_large_executors``."""
RAMPS = 36
"""Pieces into which the predicted rate is cut: a network of this size cannot place twelve thresholds on one number."""


def features() -> tuple[Feature, ...]:
    """The weights and their logarithms, and the predicted rate as one ramp for each piece of its range."""
    low, high = RATE_BOUNDS
    width = (high - low) / RAMPS
    parts = [f"weight_{part}" for part in ("cost", "latency", "throughput")]
    weights = [Feature(element=part, scale=2.0, offset=-1.0) for part in parts]
    weights += [Feature(element=part, transform="log", scale=0.4, offset=1.0) for part in parts]
    ramps = [
        Feature(element="predicted_rate", scale=2 / width, offset=-2 * (low + i * width) / width - 1, low=-1, high=1)
        for i in range(RAMPS)
    ]
    return (*weights, *ramps)


class ThesisBatch:
    """The arena as a batch for training: the training load, random weights, and ``training_reward``."""

    def __init__(self, seed: int) -> None:
        self._arena = ThesisArena(ENVIRONMENTS, seed=seed, steps=EPISODE_STEPS, load="training")
        self.num_envs = ENVIRONMENTS
        self.action_space = gym.spaces.MultiDiscrete(np.array(ACTION_SIZES))

    def reset(self) -> Observations:
        return self._arena.reset()

    def step(self, actions: npt.NDArray[np.int64]) -> BatchStep:
        step = self._arena.step(actions)
        rewards = training_reward(step.outcome, self._arena.weights)
        observations = self._arena.reset() if step.done else step.observations
        return BatchStep(observations, rewards, np.full(self.num_envs, step.done))


def training_reward(outcome: Outcome, weights: Floats) -> Floats:
    """The module's formula, shape (N,), in units that keep its spread alike under all weights (N, 3)."""
    excess = np.clip(outcome.latency / SLA_MS - 1, 0, 1)
    price = VIOLATION_DOLLARS * (excess > 0) + EXCESS_DOLLARS * excess
    tilt = 1 + TILT * (weights[:, 1] - weights[:, 0])
    promptness, standby = (rate * beyond_equal(weights, part) for rate, part in ((PROMPT, 1), (STANDBY, 2)))
    dollars = outcome.cost + tilt * price + promptness * outcome.latency / 1000 - standby * np.log(outcome.throughput)
    return -REWARD_SCALE * dollars / (1 + (promptness + standby) / COMPUTE_DOLLARS)


def beyond_equal(weights: Floats, part: int) -> Floats:
    """How much more a part weighs than cost does, as a multiple of it beyond 1; 0 where it weighs less. Weights below
    LEAST count as LEAST, as the network's features tell no more of them."""
    excess: Floats = np.maximum(weights[:, part] / np.maximum(weights[:, 0], LEAST) - 1, 0)
    return excess


def start_with_large_executors(model: PPO) -> None:
    """Begin where a GB is cheapest by the price list, at 8 GB an executor.

    "Fewer and larger" pays only when both actions change at once, and PPO, which samples them independently, does not
    find it from elsewhere: without this it pays 1.06 times the limit instead of 1.01.
    """
    head = model.policy.action_net
    if not isinstance(head, torch.nn.Linear):
        raise TypeError(f"the policy's head is {type(head).__name__}, not a linear layer")
    largest = ACTION_SIZES[0] + ACTION_SIZES[1] - 1
    with torch.no_grad():
        head.bias[largest] += LARGE_EXECUTORS_LOGIT


def train(folder: Path, settings: PpoSettings = SETTINGS, *, work: Path, progress: bool = True) -> Manifest:
    """Train, write the artifact into ``folder``, and record there what it reaches on the held-out seeds. work: holds
    what a killed run goes on from."""
    low, high = RATE_BOUNDS
    share = Range(low=0, high=1)
    train_ppo(
        ThesisBatch,
        settings,
        folder=folder,
        name=NAME,
        observation_schema=1,
        features=features(),
        ranges=lambda: {
            "predicted_rate": Range(low=low, high=high),
            "weight_cost": share,
            "weight_latency": share,
            "weight_throughput": share,
        },
        training={"command": f"python -m sparkiot_sim.training thesis --seed {settings.seed}", "arena": "thesis"},
        work=work,
        prepare=lambda model, _: start_with_large_executors(model),
        progress=progress,
    )
    return score(folder)


def score(folder: Path) -> Manifest:
    """Play the artifact on the held-out seeds under every scenario's weights, and write the rows into its manifest."""
    actor = LearnedActor(LearnedPolicy(load_artifact(folder)))
    scores: dict[str, JsonValue] = {
        scenario.value: {k: round(v, 4) for k, v in row.to_dict().items() if isinstance(v, float)}
        for scenario, weights in SCENARIO_WEIGHTS.items()
        for row in tournament([actor], seeds=HELD_OUT_SEEDS, weights=weights)[:1]
    }
    return update_scores(folder, {"arena": "thesis", "seeds": list(HELD_OUT_SEEDS), "scenarios": scores})
