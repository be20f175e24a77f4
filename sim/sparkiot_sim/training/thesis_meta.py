"""Training of the thesis arena's meta-controller, ``thesis-meta``: TD3 over the policy that ships as ``thesis``.

A step is PERIOD steps of the arena, and its reward is the thesis's global reward of these, minus that of a twin on the
same arrivals, which acts under the best fixed weights: how good a step is depends on its load far more than on the
weights, and what both have in common tells a critic nothing. The difference saturates: what is far worse need only be
known to be worse, while near the best weights rewards differ by thousandths. Nothing is carried over between steps of
this arena, so the discount is 0.
"""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from sparkiot_policies.artifact import load_artifact, update_scores
from sparkiot_policies.features import Feature
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.manifest import Manifest
from sparkiot_sim.thesis.actors import LearnedActor
from sparkiot_sim.thesis.arena import ThesisArena
from sparkiot_sim.thesis.draws import STEPS, draw
from sparkiot_sim.thesis.governed import PERIOD, SCHEMA, GovernedActor, contexts
from sparkiot_sim.thesis.tournament import Run, play_steps
from sparkiot_sim.tournament.thesis_meta import best_fixed, lines

from .td3 import WEIGHTS_SPACE, Td3Settings, to_weights, train_td3
from .thesis import HELD_OUT_SEEDS as HELD_OUT
from .vec_env import BatchStep, Observations

NAME = "thesis-meta"
SWEPT = 16
"""Traces on which the best fixed weights are found: drawn as those of training are."""
WIDTH = 0.01
"""Global reward over which the difference saturates: what the best weights are from the most extreme ones, twice."""
SETTINGS = Td3Settings(
    total_steps=40_960,
    environments=128,
    warm_up_steps=10_240,
    gradient_steps=48,
    learning_rate=(1e-3, 1e-5),
    gamma=0.0,
    noise=0.3,
    seed=1,
)


def features() -> tuple[Feature, ...]:
    """The thesis's context: rate, its spread, latency, cost."""
    return (
        Feature(element="rate_mean", scale=2 / 900, offset=-1.0),
        Feature(element="rate_spread", scale=2.0, offset=-1.0, high=3.0),
        Feature(element="latency_ratio", scale=2.0, offset=-1.0, high=3.0),
        Feature(element="budget_burn", scale=2.0, offset=-1.0, high=3.0),
    )


class ThesisMetaBatch:
    """Runs of the arena in pairs that meet the same arrivals: one under the agent's weights, one under the best fixed
    ones."""

    def __init__(self, settings: Td3Settings, policy: Path) -> None:
        self.num_envs = settings.environments
        self.action_space = WEIGHTS_SPACE
        self._policy = LearnedPolicy(load_artifact(policy))
        self._rng = np.random.default_rng(settings.seed)
        self.best = astuple(best_fixed(LearnedActor(self._policy), draw(self._rng, traces=SWEPT)))
        self._arenas = [ThesisArena(self.num_envs, seed=0) for _ in range(2)]

    def reset(self) -> Observations:
        draws = draw(self._rng, traces=self.num_envs, steps=STEPS)
        self._seen = [arena.reset(draws) for arena in self._arenas]
        self._left = STEPS
        return contexts(self._seen[0][None])

    def step(self, actions: npt.NDArray[np.float32]) -> BatchStep:
        ours, shown = self._play(0, to_weights(actions))
        twin, _ = self._play(1, self.best)
        self._left -= PERIOD
        over = self._left == 0
        final = contexts(np.stack(shown))
        rewards = np.tanh((ours.global_reward - twin.global_reward) / WIDTH)
        return BatchStep(self.reset() if over else final, rewards, np.full(self.num_envs, over), final)

    def _play(self, index: int, weights: npt.ArrayLike) -> tuple[Run, list[Observations]]:
        actor = GovernedActor(LearnedActor(self._policy), lambda _: weights, name="agent")
        run, shown = play_steps(self._arenas[index], actor, self._seen[index], steps=PERIOD)
        self._seen[index] = shown[-1]
        return run, shown


def train(
    folder: Path, policy: Path, settings: Td3Settings = SETTINGS, *, work: Path, progress: bool = True
) -> Manifest:
    """Train over the artifact in ``policy``, write the meta-controller's into ``folder``, and record there what it
    gains on the held-out seeds. work: holds what a killed run goes on from, and the learning curve."""
    train_td3(
        ThesisMetaBatch(settings, policy),
        settings,
        folder=folder,
        name=NAME,
        context_schema=SCHEMA,
        features=features(),
        training={
            "command": f"python -m sparkiot_sim.training thesis-meta --seed {settings.seed}",
            "arena": "thesis",
            "period": PERIOD,
            "policy": load_artifact(policy).manifest.digest,
        },
        work=work,
        progress=progress,
    )
    return score(folder, policy)


def score(folder: Path, policy: Path) -> Manifest:
    """Play the artifact over a policy on the held-out seeds, and write what ways of setting weights come to into its
    manifest."""
    found = lines(LearnedPolicy(load_artifact(policy)), LearnedMetaController(load_artifact(folder)), seeds=HELD_OUT)
    scores: dict[str, JsonValue] = {
        line.name: {"global_reward": round(line.global_reward.mean, 4), "gain_percent": round(line.gain.mean, 2)}
        for line in found
    }
    return update_scores(folder, {"arena": "thesis", "seeds": list(HELD_OUT), "weights_by": scores})
