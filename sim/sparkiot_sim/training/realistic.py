"""Training on the realistic arena: the policy that ships as ``default``.

Imitation first, then PPO on the same network (``pretrain.py`` says why, docs/explanation/training.md what it brought).
Features are ratios in units of executors, so that one policy serves jobs of any size; raw rates and bytes, by which
jobs differ and decisions do not, stay out.
"""

from dataclasses import asdict
from pathlib import Path

from pydantic import JsonValue
from stable_baselines3 import PPO

from sparkiot_policies.artifact import update_scores
from sparkiot_policies.features import Feature, Features
from sparkiot_policies.manifest import Manifest, Range
from sparkiot_policies.observation import names
from sparkiot_sim.arena import SCHEMA
from sparkiot_sim.tournament.held_out import HELD_OUT_SEEDS, HOURS, held_out
from sparkiot_sim.tournament.play import play
from sparkiot_sim.tournament.statistics import rows

from .cluster_batch import ClusterBatch
from .ppo import PpoSettings, train_ppo
from .pretrain import PretrainSettings, pretrain
from .vec_env import Observations

NAME = "default"
SCORES = ("slo_attainment", "cost_dollars", "latency_p95_ms", "scalings_per_hour", "fallback_share")
ENVIRONMENTS = 64
PRETRAIN = PretrainSettings()
SETTINGS = PpoSettings(
    total_steps=400_000,
    rollout_steps=64,
    batch_size=2048,
    epochs=4,
    learning_rate=(3e-4, 2e-5),
    entropy=(0.002, 0.0),
    gamma=0.97,
    clip=0.2,
    hidden=(128, 128),
    seed=1,
)


def features() -> tuple[Feature, ...]:
    """What the network sees of observation version 2."""
    counts = ("demand", "predicted_demand", "running", "pending")
    return (
        *(Feature(element=f"weight_{name}", scale=2.0, offset=-1.0) for name in ("cost", "latency", "throughput")),
        *(Feature(element=name, transform="log1p", scale=1.0, offset=-1.5, high=3.0) for name in counts),
        *(Feature(element=name, scale=0.1, offset=-0.5, high=3.0) for name in counts),
        Feature(element="backlog_work", transform="log1p", scale=0.4, offset=-0.5, high=3.0),
        Feature(element="batch_duration", transform="log1p", scale=2.0, offset=-1.0, high=3.0),
        Feature(element="trigger_interval", transform="log1p", scale=2.0, offset=-1.0, high=3.0),
        Feature(element="latency", transform="log1p", scale=1.0, offset=-7.0, low=-3.0, high=3.0),
        Feature(element="latency_target", transform="log1p", scale=1.0, offset=-7.0, low=-3.0, high=3.0),
        Feature(element="cpu", scale=0.02, offset=-1.0),
        Feature(element="memory", scale=0.02, offset=-1.0),
        Feature(element="temperature", scale=2.0, offset=-1.0),
        Feature(element="shuffle_size", transform="log1p", scale=1.0, offset=-1.0, high=3.0),
        Feature(element="memory_per_executor", transform="log1p", scale=1.0, offset=-1.0, high=2.0),
        Feature(element="tier", scale=1.0, offset=-1.0, high=2.0),
        Feature(element="compression", scale=1.0, offset=-1.0),
        Feature(element="startup", transform="log1p", scale=1.0, offset=-3.0, high=3.0),
        Feature(element="trend", scale=1.0, offset=-1.0, high=3.0),
        Feature(element="burst", scale=2.0, offset=-1.0),
        Feature(element="attainment", scale=4.0, offset=-3.0, low=-1.0),
    )


UNBOUNDED = ("backlog_work", "latency", "batch_duration", "attainment", "trend", "pending")
"""Elements that say how badly a job runs. Their features saturate; a job in trouble is not a job of another kind, and
taking the policy away at that moment would help nobody."""


def ranges(observations: Observations) -> dict[str, Range]:
    """What training met of each element that the network sees, from smallest to largest."""
    used = Features(names(SCHEMA), features()).used
    columns = dict(zip(names(SCHEMA), observations.T, strict=True))
    met = {
        name: Range(low=float(columns[name].min()), high=float(columns[name].max()))
        for name in used
        if name not in UNBOUNDED
    }
    # Weights are drawn from all of their range; the largest one met is chance.
    return met | {name: Range(low=0.0, high=1.0) for name in met if name.startswith("weight_")}


def train(folder: Path, settings: PpoSettings = SETTINGS, *, progress: bool = True) -> Manifest:
    """Train, write the artifact into ``folder``, and record there what it reaches on the held-out episodes."""
    inputs = Features(names(SCHEMA), features())
    met: dict[str, Range] = {}
    with ClusterBatch(settings.seed, count=ENVIRONMENTS) as batch:

        def prepare(model: PPO) -> None:
            report = print if progress else lambda _: None
            met.update(ranges(pretrain(model, batch, inputs, PRETRAIN, report=report)))

        train_ppo(
            lambda _: batch,
            settings,
            folder=folder,
            name=NAME,
            observation_schema=SCHEMA,
            features=features(),
            ranges=met,
            training={
                "command": f"python -m sparkiot_sim.training realistic --seed {settings.seed}",
                "arena": "realistic",
                "imitation": asdict(PRETRAIN),
            },
            prepare=prepare,
            progress=progress,
        )
    return score(folder)


def score(folder: Path) -> Manifest:
    """Play the artifact on the held-out episodes, and write a row for each workload into its manifest."""
    scores: dict[str, JsonValue] = {
        row.workload: {name: round(row.mean(name), 4) for name in SCORES} for row in rows(play(held_out([str(folder)])))
    }
    return update_scores(
        folder, {"arena": "realistic", "seeds": list(HELD_OUT_SEEDS), "hours": HOURS, "workloads": scores}
    )
