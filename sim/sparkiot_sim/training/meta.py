"""Training of the meta-controller that ships as ``default-meta``: TD3 over the policy that ships as ``default``.

Source: Fujimoto et al. 2018, arXiv:1802.09477, as implemented by Stable-Baselines3.
"""

import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from pydantic import JsonValue
from stable_baselines3 import TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import NormalActionNoise

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.features import Feature, Features
from sparkiot_policies.manifest import Manifest
from sparkiot_policies.sb3 import import_sb3
from sparkiot_sim.randomisation import Randomisation

from .checkpoint import UPDATES, Checkpoint, Clock
from .curves import draw
from .meta_env import CONTEXT_SCHEMA, ELEMENTS, STEP_S, MetaGroup
from .vec_env import FeatureVecEnv
from .workers import Workers

NAME = "default-meta"
REPLAY = "replay.pkl"
CURVE_EVERY, SAVE_EVERY = 5, 50
"""Steps of all environments between two rows of the learning curve, and between two saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings:
    """Hyperparameters of TD3. total_steps: of ten minutes each, over all environments. noise: standard deviation of the
    exploration. gamma: of a step; weights act within minutes."""

    total_steps: int = 8_000
    environments: int = 24
    processes: int = 2
    warm_up_steps: int = 480
    batch_size: int = 256
    learning_rate: float = 3e-4
    gamma: float = 0.3
    noise: float = 0.3
    hidden: tuple[int, ...] = (64, 64)
    seed: int = 2


SETTINGS = MetaSettings()
RANDOMISATION = Randomisation(
    duration_s=(4 * 3600.0, 4 * 3600.1), example_share=0.7, intervals_s=(30.0, 60.0), max_executors=(20,)
)
"""Long enough to spend an hour's error budget; longer decision intervals, so that more hours fit into the training."""


def features() -> tuple[Feature, ...]:
    """The context, without the rate itself, by which jobs of equal need differ."""
    return (
        Feature(element="quantile", scale=10.0, offset=-9.0, low=-3.0),
        Feature(element="recent", scale=10.0, offset=-9.0, low=-3.0),
        Feature(element="budgeted", scale=2.0, offset=-1.0),
        Feature(element="rate_spread", scale=2.0, offset=-0.5, high=3.0),
        Feature(element="latency_ratio", transform="log1p", scale=2.0, offset=-1.4, low=-2.0, high=3.0),
        Feature(element="attainment", scale=10.0, offset=-9.0, low=-3.0),
        Feature(element="budget_burn", scale=2.0, offset=-1.0, high=3.0),
    )


class MetaBatch(Workers):
    """See Workers."""

    def __init__(self, settings: MetaSettings, policy: Path) -> None:
        make = partial(MetaGroup, policy=policy, randomisation=RANDOMISATION)
        super().__init__(make, settings.seed, count=settings.environments, processes=settings.processes)
        self.action_space: gym.Space[Any] = gym.spaces.Box(-1.0, 1.0, (3,), np.float32)

    def __enter__(self) -> "MetaBatch":
        return self


def train(
    folder: Path, policy: Path, settings: MetaSettings = SETTINGS, *, work: Path, progress: bool = True
) -> Manifest:
    """Train over the artifact in ``policy`` and write the meta-controller's artifact into ``folder``. work: holds what
    a killed run goes on from, and the learning curve."""
    torch.set_num_threads(1)
    digest = load_artifact(policy).manifest.digest
    plain: dict[str, JsonValue] = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}
    checkpoint = Checkpoint.open(work, {"name": NAME, "settings": plain, "policy": digest})
    clock = Clock(checkpoint.minutes)
    with MetaBatch(settings, policy) as batch, tempfile.TemporaryDirectory() as scratch:
        model = TD3(
            "MlpPolicy",
            FeatureVecEnv(batch, Features(ELEMENTS, features())),
            learning_rate=settings.learning_rate,
            batch_size=settings.batch_size,
            learning_starts=settings.warm_up_steps,
            gamma=settings.gamma,
            gradient_steps=-1,
            action_noise=NormalActionNoise(np.zeros(3), np.full(3, settings.noise)),
            policy_kwargs={"net_arch": list(settings.hidden)},
            seed=settings.seed,
            device="cpu",
        )
        if checkpoint.stage == UPDATES:
            checkpoint.restore(model)
            model.load_replay_buffer(work / REPLAY)
        if (left := settings.total_steps - model.num_timesteps) > 0:
            recorder = _Recorder(checkpoint, clock)
            model.learn(left, callback=recorder, progress_bar=progress, reset_num_timesteps=False)
            recorder.save()
        draw(work / "curve.png", title=f"{NAME}: TD3", curve=checkpoint.curve)
        archive = Path(scratch) / f"{NAME}.zip"
        model.save(archive)
        return import_sb3(
            archive,
            folder,
            name=NAME,
            context_schema=CONTEXT_SCHEMA,
            features=features(),
            ranges={},
            training={
                "algorithm": "TD3",
                "command": f"python -m sparkiot_sim.training meta --seed {settings.seed}",
                "settings": plain,
                "step_s": STEP_S,
                "policy": digest,
                "torch": torch.__version__,
                "minutes": round(clock.minutes, 2),
                "resumed": checkpoint.resumed,
            },
        ).manifest


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
