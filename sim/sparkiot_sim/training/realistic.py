"""Training on the realistic arena: the policy that ships as ``default``.

Imitation first, then PPO on the same network (``pretrain.py`` says why, docs/explanation/training.md what it brought).
Features are ratios in units of executors, so that one policy serves jobs of any size; raw rates and bytes, by which
jobs differ and decisions do not, stay out.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue
from stable_baselines3 import PPO

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.artifact import update_scores
from sparkiot_policies.features import Feature, Features
from sparkiot_policies.manifest import Manifest, Range
from sparkiot_policies.objectives import Weights
from sparkiot_policies.observation import names
from sparkiot_policies.options import ExecutorOption, ExecutorOptions, executor_options
from sparkiot_sim.arena import SCHEMA
from sparkiot_sim.tournament.held_out import HELD_OUT_SEEDS, HOURS, held_out
from sparkiot_sim.tournament.play import play
from sparkiot_sim.tournament.statistics import rows

from .checkpoint import Checkpoint
from .cluster_batch import ClusterBatch
from .familiar import familiarise
from .ppo import PpoSettings, train_ppo
from .pretrain import PretrainSettings, met, pretrain
from .vec_env import Observations

NAME = "default"
SCORES = ("slo_attainment", "cost_dollars", "latency_p95_ms", "scalings_per_hour", "fallback_share")
ENVIRONMENTS = 96
PRETRAIN = PretrainSettings()
SETTINGS = PpoSettings(
    total_steps=100_000,
    rollout_steps=64,
    batch_size=2048,
    epochs=4,
    learning_rate=(3e-4, 2e-5),
    entropy=(0.0, 0.0),
    gamma=0.97,
    clip=0.2,
    hidden=(128, 128),
    seed=1,
)


WEIGHTS = ("weight_cost", "weight_latency", "weight_throughput")
"""The first features."""


def features() -> tuple[Feature, ...]:
    """What the network sees of observation version 3: shares as they are, quantities as logarithms, whose differences
    are the ratios that matter."""
    needs = ("required", "required_ahead", "required_next", "required_peak", "in_force", "floor", "running")
    layout = [("tier", 0), ("tier", 1), ("compression", 0), ("compression", 1)]
    return (
        *(Feature(element=name, scale=2.0, offset=-1.0) for name in WEIGHTS),
        *(Feature(element=name, transform="log", scale=1.0, offset=-1.0, low=-3.0, high=3.0) for name in needs),
        Feature(element="pending", transform="log1p", scale=1.0, offset=-0.5, high=3.0),
        Feature(element="backlog_work", transform="log1p", scale=0.4, offset=-0.5, high=3.0),
        Feature(element="lateness", transform="log", scale=1.0, low=-2.0, high=3.0),
        Feature(element="forecast_known", scale=2.0, offset=-1.0),
        Feature(element="forecast_noise", scale=8.0, offset=-1.0, high=3.0),
        Feature(element="forecast_support", scale=2.0, offset=-1.0),
        Feature(element="burst_probability", scale=2.0, offset=-1.0),
        Feature(element="rate_noise", scale=10.0, offset=-1.0, high=3.0),
        Feature(element="trend", transform="log", scale=2.0, low=-3.0, high=3.0),
        Feature(element="startup", transform="log", scale=1.0, offset=-3.0, low=-3.0, high=3.0),
        Feature(element="interval", transform="log", scale=1.0, offset=-3.0, low=-3.0, high=3.0),
        Feature(element="trigger_interval", transform="log", scale=1.0, low=-3.0, high=3.0),
        Feature(element="latency_target", transform="log", scale=1.0, offset=-7.5, low=-3.0, high=3.0),
        Feature(element="overhead", scale=4.0, offset=-1.0),
        Feature(element="cpu", scale=0.02, offset=-1.0),
        Feature(element="memory", scale=0.02, offset=-1.0),
        Feature(element="working_set", transform="log", scale=1.0, offset=0.5, low=-3.0, high=3.0),
        Feature(element="memory_per_executor", transform="log", scale=1.0, offset=-1.0, low=-3.0, high=3.0),
        Feature(element="shuffle_per_executor", transform="log", scale=0.7, low=-3.0, high=3.0),
        Feature(element="temperature", scale=2.0, offset=-1.0),
        *(Feature(element=name, scale=2.0, offset=-1.0 - 2 * at, low=-1.0, high=1.0) for name, at in layout),
        Feature(element="attainment", scale=4.0, offset=-3.0, low=-1.0),
    )


def executors() -> tuple[ExecutorOption, ...]:
    """What the network may provide for: twenty margins over the present load, the forecast, the higher of both, and the
    highest of the last minutes."""
    return executor_options(
        ("required", (0.95, 1.05, 1.15, 1.3, 1.6)),
        ("required_ahead", (0.85, 0.95, 1.05, 1.15)),
        ("required_next", (0.85, 0.9, 0.95, 1.0, 1.03, 1.06, 1.12, 1.25, 1.4)),
        ("required_peak", (1.0, 1.1)),
    )


USUAL = ((-0.9, 0.85), (-0.6, 0.95), (-0.25, 1.0), (-0.1, 1.03), (0.2, 1.06), (0.45, 1.12), (0.8, 1.25), (np.inf, 1.4))
"""What a careful rule would always provide for: a margin over the higher of present and forecast load, the larger the
more latency weighs against cost. Pairs: β - α up to which it holds, and the margin."""
USUAL_LOGIT = 3.0
"""Head start of the option that is usual under the weights: what the training never met is decided so."""
USUAL_STEPS, USUAL_BATCH, USUAL_LEARNING_RATE = 400, 256, 2e-3
"""Of the fit to the usual options. The teacher's losses differ by so little between margins that a network which starts
at one margin for all weights stays there wherever cost weighs most."""


def usual(weights: Weights) -> int:
    """Index of the option that is usual under some weights."""
    margin = next(margin for most, margin in USUAL if weights.latency - weights.cost < most)
    return executors().index(ExecutorOption(element="required_next", factor=margin))


def start_with_usual(model: PPO) -> None:
    """Give the option that is usual under the weights its head start, whatever else the network sees."""
    policy, rng = model.policy, np.random.default_rng(model.seed)
    size, others = ACTION_SIZES[0], len(features()) - len(WEIGHTS)
    likely = 1 / (1 + (size - 1) * np.exp(-USUAL_LOGIT))
    parameters = [*policy.mlp_extractor.policy_net.parameters(), *policy.action_net.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=USUAL_LEARNING_RATE)
    for _ in range(USUAL_STEPS):
        weights = rng.dirichlet(np.full(3, 0.6), USUAL_BATCH)
        seen = np.concatenate([2 * weights - 1, rng.normal(size=(USUAL_BATCH, others))], axis=1)
        target = np.full((USUAL_BATCH, size), (1 - likely) / (size - 1))
        target[np.arange(USUAL_BATCH), [usual(Weights(*w)) for w in weights.tolist()]] = likely
        latent = policy.mlp_extractor.forward_actor(torch.as_tensor(seen, dtype=torch.float32))
        logs = policy.action_net(latent)[:, :size].log_softmax(dim=1)
        loss = -(torch.as_tensor(target, dtype=torch.float32) * logs).sum(dim=1).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


RANGED = (
    "weight_cost",
    "weight_latency",
    "weight_throughput",
    "temperature",
    "trigger_interval",
    "latency_target",
    "interval",
    "startup",
    "shuffle_per_executor",
    "memory_per_executor",
    "tier",
    "compression",
)
"""Elements that say what kind of job this is. The others say how much load it has and how well it runs; their features
saturate, and a job in trouble is not a job of another kind: taking the policy away at that moment would help nobody."""


def ranges(observations: Observations) -> dict[str, Range]:
    """What training met of each element that the network sees, from smallest to largest."""
    columns = dict(zip(names(SCHEMA), observations.T, strict=True))
    met = {name: Range(low=float(columns[name].min()), high=float(columns[name].max())) for name in RANGED}
    # Weights are drawn from all of their range; the largest one met is chance.
    return met | {name: Range(low=0.0, high=1.0) for name in met if name.startswith("weight_")}


def train(folder: Path, settings: PpoSettings = SETTINGS, *, work: Path, progress: bool = True) -> Manifest:
    """Train, write the artifact into ``folder``, and record there what it reaches on the held-out episodes. work: holds
    what a killed run goes on from."""
    inputs = Features(names(SCHEMA), features())
    options = ExecutorOptions(names(SCHEMA), executors())
    with ClusterBatch(settings.seed, options=options, usual=usual, count=ENVIRONMENTS) as batch:

        def prepare(model: PPO, checkpoint: Checkpoint) -> None:
            report = print if progress else lambda _: None
            start_with_usual(model)
            pretrain(model, batch, inputs, PRETRAIN, checkpoint, report=report)

        train_ppo(
            lambda _: batch,
            settings,
            folder=folder,
            name=NAME,
            observation_schema=SCHEMA,
            features=features(),
            executors=executors(),
            ranges=lambda: ranges(met(work)),
            training={
                "command": f"python -m sparkiot_sim.training realistic --seed {settings.seed}",
                "arena": "realistic",
                "imitation": asdict(PRETRAIN),
            },
            work=work,
            prepare=prepare,
            progress=progress,
        )
    familiarise(folder)
    return score(folder)


def score(folder: Path) -> Manifest:
    """Play the artifact on the held-out episodes, and write a row for each workload into its manifest."""
    scores: dict[str, JsonValue] = {
        row.workload: {name: round(row.mean(name), 4) for name in SCORES} for row in rows(play(held_out([str(folder)])))
    }
    return update_scores(
        folder, {"arena": "realistic", "seeds": list(HELD_OUT_SEEDS), "hours": HOURS, "workloads": scores}
    )
