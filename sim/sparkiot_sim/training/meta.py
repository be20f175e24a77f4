"""Training of the meta-controller that ships as ``default-meta``: TD3 over the policy that ships as ``default``.

Source: Fujimoto et al. 2018, arXiv:1802.09477, as implemented by Stable-Baselines3.
"""

import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.noise import NormalActionNoise

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.features import Feature, Features
from sparkiot_policies.manifest import CONTEXT_ELEMENTS, Manifest
from sparkiot_policies.sb3 import import_sb3
from sparkiot_sim.randomisation import Randomisation

from .meta_env import STEP_S, MetaGroup
from .vec_env import FeatureVecEnv
from .workers import Workers

NAME = "default-meta"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings:
    """Hyperparameters of TD3. total_steps: of ten minutes each, over all environments. noise: standard deviation of the
    exploration. gamma: of a step; weights act within minutes, but an error budget lasts for an hour."""

    total_steps: int = 8_000
    environments: int = 24
    processes: int = 2
    warm_up_steps: int = 600
    batch_size: int = 256
    learning_rate: float = 5e-4
    gamma: float = 0.7
    noise: float = 0.3
    hidden: tuple[int, ...] = (64, 64)
    seed: int = 2


SETTINGS = MetaSettings()
RANDOMISATION = Randomisation(duration_s=(4 * 3600.0, 4 * 3600.1), example_share=0.7, intervals_s=(30.0, 60.0), max_executors=(20,))
"""Long enough to spend an hour's error budget; longer decision intervals, so that more hours fit into the training."""


def features() -> tuple[Feature, ...]:
    """The context, without the rate itself, by which jobs of equal need differ."""
    return (
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


def train(folder: Path, policy: Path, settings: MetaSettings = SETTINGS, *, progress: bool = True) -> Manifest:
    """Train over the artifact in ``policy`` and write the meta-controller's artifact into ``folder``."""
    torch.set_num_threads(1)
    begun = time.perf_counter()
    with MetaBatch(settings, policy) as batch, tempfile.TemporaryDirectory() as scratch:
        env = FeatureVecEnv(batch, Features(CONTEXT_ELEMENTS, features()))
        model = TD3(
            "MlpPolicy",
            env,
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
        model.learn(settings.total_steps, progress_bar=progress)
        archive = Path(scratch) / f"{NAME}.zip"
        model.save(archive)
        return import_sb3(
            archive,
            folder,
            name=NAME,
            features=features(),
            ranges={},
            training={
                "algorithm": "TD3",
                "command": f"python -m sparkiot_sim.training meta --seed {settings.seed}",
                "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()},
                "step_s": STEP_S,
                "policy": load_artifact(policy).manifest.digest,
                "torch": torch.__version__,
                "minutes": round((time.perf_counter() - begun) / 60, 2),
            },
        ).manifest
