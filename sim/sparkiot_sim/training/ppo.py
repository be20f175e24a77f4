"""PPO on any batch of environments: from settings to a policy artifact. Source: Schulman et al. 2017, arXiv:1707.06347,
as implemented by Stable-Baselines3."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import JsonValue
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from sparkiot_policies.features import Feature, Features
from sparkiot_policies.manifest import Manifest, Range
from sparkiot_policies.observation import names
from sparkiot_policies.sb3 import import_sb3

from .vec_env import BatchEnv, FeatureVecEnv


@dataclass(frozen=True, slots=True, kw_only=True)
class PpoSettings:
    """Hyperparameters; pairs run linearly from the first to the last step.

    total_steps: over all environments. rollout_steps: of each environment between updates. batch_size: of a gradient
    step. epochs: over each rollout. learning_rate, entropy: pairs. gamma: discount of the next step. gae_lambda, clip:
    as in the papers. hidden: sizes of the layers of the policy and of the value network. seed: of the network's start
    and of the sampled actions. threads: of torch.
    """

    total_steps: int
    rollout_steps: int
    batch_size: int
    epochs: int
    learning_rate: tuple[float, float]
    entropy: tuple[float, float]
    gamma: float
    gae_lambda: float = 0.95
    clip: float = 0.2
    hidden: tuple[int, ...] = (64, 64)
    seed: int = 0
    threads: int = 1


def train_ppo(
    make_batch: Callable[[int], BatchEnv],
    settings: PpoSettings,
    *,
    folder: Path,
    name: str,
    observation_schema: int,
    features: Sequence[Feature],
    ranges: Mapping[str, Range],
    training: Mapping[str, JsonValue],
    prepare: Callable[[PPO], None] | None = None,
    progress: bool = True,
) -> Manifest:
    """Train and write an artifact, its conversion proved as for any imported archive.

    make_batch: builds the environments from a seed. ranges: what they show of each element. training: what the
    manifest says beside the settings; together they must be enough to reproduce the run. prepare: sets the networks'
    start, before the first step.
    """
    torch.set_num_threads(settings.threads)
    env = FeatureVecEnv(make_batch(settings.seed), Features(names(observation_schema), tuple(features)))
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=settings.rollout_steps,
        batch_size=settings.batch_size,
        n_epochs=settings.epochs,
        learning_rate=lambda left: _between(settings.learning_rate, left),
        ent_coef=settings.entropy[0],
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip,
        policy_kwargs={"net_arch": list(settings.hidden), "activation_fn": torch.nn.ReLU},
        seed=settings.seed,
        device="cpu",
    )
    begun = time.perf_counter()
    if prepare:
        prepare(model)
    model.learn(settings.total_steps, callback=_EntropySchedule(settings), progress_bar=progress)
    minutes = (time.perf_counter() - begun) / 60
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / f"{name}.zip"
        model.save(archive)
        imported = import_sb3(
            archive,
            folder,
            name=name,
            observation_schema=observation_schema,
            features=features,
            ranges=ranges,
            training={
                "algorithm": "PPO",
                "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()},
                "environments": env.num_envs,
                "torch": torch.__version__,
                "minutes": round(minutes, 2),
                **training,
            },
        )
    return imported.manifest


def _between(ends: tuple[float, float], left: float) -> float:
    """The value of a linear schedule when ``left`` of the training remains, 1 to 0."""
    return ends[1] + (ends[0] - ends[1]) * left


class _EntropySchedule(BaseCallback):
    """Stable-Baselines3 schedules the learning rate, but takes the entropy coefficient as a constant."""

    def __init__(self, settings: PpoSettings) -> None:
        super().__init__()
        self._settings = settings

    def _on_rollout_start(self) -> None:
        if isinstance(self.model, PPO):
            left = max(1 - self.num_timesteps / self._settings.total_steps, 0.0)
            self.model.ent_coef = _between(self._settings.entropy, left)

    def _on_step(self) -> bool:
        return True
