"""PPO on any batch of environments: from settings to a policy artifact. Source: Schulman et al. 2017, arXiv:1707.06347,
as implemented by Stable-Baselines3."""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import JsonValue
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from sparkiot_policies.features import Feature, Features
from sparkiot_policies.manifest import Manifest, Range
from sparkiot_policies.observation import names
from sparkiot_policies.options import ExecutorOption
from sparkiot_policies.sb3 import import_sb3

from .checkpoint import EVERY, UPDATES, Checkpoint, Clock
from .curves import draw
from .schedule import between
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
    executors: Sequence[ExecutorOption] = (),
    ranges: Callable[[], Mapping[str, Range]],
    training: Mapping[str, JsonValue],
    work: Path,
    prepare: Callable[[PPO, Checkpoint], None] | None = None,
    most_minutes: float = math.inf,
    progress: bool = True,
) -> Manifest:
    """Train and write an artifact, its conversion proved as for any imported archive.

    make_batch: builds the environments from a seed. ranges: what they showed of each element, asked when training
    is over. training: what the manifest says beside the settings; together they must be enough to reproduce the run.
    work: folder of the checkpoint that a killed run goes on from, and of the learning curve. prepare: sets the
    networks' start, before the first step. most_minutes: after which the updates end, however many steps are left.
    """
    torch.set_num_threads(settings.threads)
    env = FeatureVecEnv(make_batch(settings.seed), Features(names(observation_schema), tuple(features)))
    model = PPO(
        "MlpPolicy",
        env,
        n_steps=settings.rollout_steps,
        batch_size=settings.batch_size,
        n_epochs=settings.epochs,
        learning_rate=lambda left: between(settings.learning_rate, left),
        ent_coef=settings.entropy[0],
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip,
        policy_kwargs={"net_arch": list(settings.hidden), "activation_fn": torch.nn.ReLU},
        seed=settings.seed,
        device="cpu",
    )
    # Else it makes a folder in the system's temporary one, for logs that nobody writes.
    model.set_logger(Logger(folder=None, output_formats=[]))
    checkpoint = Checkpoint.open(work, {"name": name, "settings": asdict(settings), **training})
    clock = Clock(checkpoint.minutes)
    if checkpoint.stage == UPDATES:
        checkpoint.restore(model)
    elif prepare:
        prepare(model, checkpoint)
    if (left := settings.total_steps - model.num_timesteps) > 0:
        recorder = _Recorder(settings, checkpoint, clock, most_minutes)
        model.learn(left, callback=recorder, progress_bar=progress, reset_num_timesteps=False)
        checkpoint.save(model, stage=UPDATES, minutes=clock.minutes)
    draw(work / "curve.png", title=f"{name}: PPO", curve=checkpoint.curve)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / f"{name}.zip"
        model.save(archive)
        imported = import_sb3(
            archive,
            folder,
            name=name,
            observation_schema=observation_schema,
            features=features,
            executors=executors,
            ranges=ranges(),
            training={
                "algorithm": "PPO",
                "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()},
                "environments": env.num_envs,
                "torch": torch.__version__,
                "minutes": round(clock.minutes, 2),
                "resumed": checkpoint.resumed,
                **training,
            },
        )
    return imported.manifest


class _Recorder(BaseCallback):
    """Writes the learning curve, saves now and then, and schedules the entropy coefficient, which Stable-Baselines3
    takes as a constant."""

    def __init__(self, settings: PpoSettings, checkpoint: Checkpoint, clock: Clock, most_minutes: float) -> None:
        super().__init__()
        self._most_minutes = most_minutes
        self._settings = settings
        self._checkpoint = checkpoint
        self._clock = clock
        self._updates = 0
        self._reward = 0.0

    @property
    def _ppo(self) -> PPO:
        if not isinstance(self.model, PPO):
            raise TypeError(f"{type(self.model).__name__} is not PPO")
        return self.model

    def _on_rollout_end(self) -> None:
        # The update that follows empties the buffer.
        self._reward = float(self._ppo.rollout_buffer.rewards.mean())

    def _on_rollout_start(self) -> None:
        model, checkpoint = self._ppo, self._checkpoint
        left = max(1 - model.num_timesteps / self._settings.total_steps, 0.0)
        model.ent_coef = between(self._settings.entropy, left)
        if self._updates:
            found = model.logger.name_to_value
            checkpoint.curve.append(
                {
                    "steps": float(model.num_timesteps),
                    "reward": self._reward,
                    "kl": float(found["train/approx_kl"]),
                    "entropy": -float(found["train/entropy_loss"]),
                    "explained": float(found["train/explained_variance"]),
                }
            )
        if self._updates and self._updates % EVERY == 0:
            checkpoint.save(model, stage=UPDATES, minutes=self._clock.minutes)
        self._updates += 1

    def _on_step(self) -> bool:
        return self._clock.minutes < self._most_minutes
