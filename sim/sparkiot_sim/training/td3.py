"""TD3 on any batch of environments: from settings to a meta-controller's artifact. Source: Fujimoto et al. 2018,
arXiv:1802.09477, as implemented by Stable-Baselines3."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from pydantic import JsonValue
from stable_baselines3 import TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise

from sparkiot_policies.features import Feature, Features
from sparkiot_policies.graph import MIN_WEIGHT
from sparkiot_policies.manifest import CONTEXTS, Manifest
from sparkiot_policies.sb3 import import_sb3

from .checkpoint import UPDATES, Checkpoint, Clock
from .curves import draw
from .schedule import between
from .vec_env import BatchEnv, FeatureVecEnv

REPLAY = "replay.pkl"
WEIGHTS_SPACE: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)
CURVE_EVERY, SAVE_EVERY = 5, 50
"""Steps of all environments between two rows of the learning curve, and between two saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Td3Settings:
    """Hyperparameters. total_steps: over all environments. warm_up_steps: of these, with random weights and without
    learning. gradient_steps: of each step of all environments. learning_rate: from the first to the last step. gamma:
    discount of the next step. noise: standard deviation of the exploration. hidden: sizes of the layers of actor and
    critics."""

    total_steps: int
    environments: int
    warm_up_steps: int
    gradient_steps: int
    batch_size: int = 256
    learning_rate: tuple[float, float]
    gamma: float
    noise: float
    hidden: tuple[int, ...] = (64, 64)
    seed: int = 1


def train_td3(
    batch: BatchEnv,
    settings: Td3Settings,
    *,
    folder: Path,
    name: str,
    context_schema: int,
    features: Sequence[Feature],
    training: Mapping[str, JsonValue],
    work: Path,
    progress: bool = True,
) -> Manifest:
    """Train and write an artifact, its conversion proved as for any imported archive.

    training: what the manifest says beside the settings; together they must be enough to reproduce the run. work: holds
    what a killed run goes on from, and the learning curve.
    """
    torch.set_num_threads(1)
    plain: dict[str, JsonValue] = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
    checkpoint = Checkpoint.open(work, {"name": name, "settings": plain, **training})
    clock = Clock(checkpoint.minutes)
    model = TD3(
        "MlpPolicy",
        FeatureVecEnv(batch, Features(CONTEXTS[context_schema], tuple(features))),
        learning_rate=lambda left: between(settings.learning_rate, left),
        batch_size=settings.batch_size,
        buffer_size=settings.total_steps,
        learning_starts=settings.warm_up_steps,
        gamma=settings.gamma,
        gradient_steps=settings.gradient_steps,
        action_noise=NormalActionNoise(np.zeros(3), np.full(3, settings.noise)),
        policy_kwargs={"net_arch": list(settings.hidden)},
        seed=settings.seed,
        device="cpu",
    )
    # Else it makes a folder in the system's temporary one, for logs that nobody writes.
    model.set_logger(Logger(folder=None, output_formats=[]))
    if checkpoint.stage == UPDATES:
        checkpoint.restore(model)
        model.load_replay_buffer(work / REPLAY)
    if (left := settings.total_steps - model.num_timesteps) > 0:
        recorder = _Recorder(checkpoint, clock)
        model.learn(left, callback=recorder, progress_bar=progress, reset_num_timesteps=False)
        recorder.save()
    draw(work / "curve.png", title=f"{name}: TD3", curve=checkpoint.curve)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / f"{name}.zip"
        model.save(archive)
        return import_sb3(
            archive,
            folder,
            name=name,
            context_schema=context_schema,
            features=features,
            ranges={},
            training={
                "algorithm": "TD3",
                "settings": plain,
                "torch": torch.__version__,
                "minutes": round(clock.minutes, 2),
                "resumed": checkpoint.resumed,
                **training,
            },
        ).manifest


def to_weights(actions: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The graph's map from an actor's output in [-1, 1], (N, 3), to weights: positive, each row's sum 1."""
    raw = (np.asarray(actions, dtype=np.float64) + 1) / 2 + MIN_WEIGHT
    weights: npt.NDArray[np.float64] = raw / raw.sum(axis=-1, keepdims=True)
    return weights


class _Recorder(BaseCallback):
    """Writes the learning curve, and saves model and replay buffer now and then."""

    def __init__(self, checkpoint: Checkpoint, clock: Clock) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self._clock = clock
        self._rewards: list[float] = []

    def save(self) -> None:
        if not isinstance(self.model, TD3):
            raise TypeError(f"{type(self.model).__name__} is not TD3")
        self.model.save_replay_buffer(self._checkpoint.folder / REPLAY)
        self._checkpoint.save(self.model, stage=UPDATES, minutes=self._clock.minutes)

    def _on_step(self) -> bool:
        self._rewards.append(float(np.mean(self.locals["rewards"])))
        if len(self._rewards) % CURVE_EVERY == 0:
            found = self.model.logger.name_to_value
            row = {"steps": float(self.num_timesteps), "reward": float(np.mean(self._rewards[-CURVE_EVERY:]))}
            for name, key in (("critic_loss", "train/critic_loss"), ("actor_loss", "train/actor_loss")):
                if key in found:
                    row[name] = float(found[key])
            self._checkpoint.curve.append(row)
        if len(self._rewards) % SAVE_EVERY == 0:
            self.save()
        return True
