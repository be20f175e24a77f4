"""Training of the meta-controller that ships as ``default-meta``: TD3 over the policy that ships as ``default``."""

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.features import Feature
from sparkiot_policies.manifest import Manifest
from sparkiot_sim.randomisation import Randomisation

from .meta_env import CONTEXT_SCHEMA, SIBLINGS, STEP_S, MetaGroup
from .td3 import WEIGHTS_SPACE, Td3Settings, train_td3
from .workers import Workers

NAME = "default-meta"
PROCESSES = 2
SETTINGS = Td3Settings(
    total_steps=12_000,
    environments=30,
    warm_up_steps=1_800,
    gradient_steps=30,
    learning_rate=(1e-3, 1e-5),
    gamma=0.0,
    noise=0.4,
    seed=2,
)
RANDOMISATION = Randomisation(
    duration_s=(4 * 3600.0, 4 * 3600.1),
    demand=(0.8, 7.0),
    example_share=0.9,
    slow_share=0.1,
    own_cluster=0.3,
    own_series=0.3,
    qualities=("measured", "measured", "perfect", "none"),
    max_executors=(20,),
)
"""Long enough to spend an hour's error budget, under loads that the maximum can bear: beyond it all weights do the
same."""


def features() -> tuple[Feature, ...]:
    """The context, without the rate itself, by which jobs of equal need differ. Shares are shown twice: an objective of
    99 % allows a fifth of what one of 95 % does, which is nothing on a scale on which 80 % can be told from 90."""
    shares = ("quantile", "attainment")
    return (
        *(Feature(element=share, scale=10.0, offset=-9.0, low=-3.0) for share in shares),
        *(Feature(element=share, scale=50.0, offset=-48.5, low=-2.0) for share in shares),
        Feature(element="rate_spread", scale=2.0, offset=-0.5, high=3.0),
        Feature(element="budgeted", scale=2.0, offset=-1.0),
        Feature(element="budget_burn", scale=2.0, offset=-1.0, high=3.0),
    )


class MetaBatch(Workers):
    """See Workers."""

    def __init__(self, settings: Td3Settings, policy: Path) -> None:
        make = partial(MetaGroup, policy=policy, randomisation=RANDOMISATION)
        super().__init__(make, settings.seed, count=settings.environments, processes=PROCESSES)
        self.action_space: gym.Space[Any] = WEIGHTS_SPACE

    def __enter__(self) -> "MetaBatch":
        return self


def train(
    folder: Path, policy: Path, settings: Td3Settings = SETTINGS, *, work: Path, progress: bool = True
) -> Manifest:
    """Train over the artifact in ``policy`` and write the meta-controller's artifact into ``folder``. work: holds what
    a killed run goes on from, and the learning curve."""
    with MetaBatch(settings, policy) as batch:
        return train_td3(
            batch,
            settings,
            folder=folder,
            name=NAME,
            context_schema=CONTEXT_SCHEMA,
            features=features(),
            training={
                "command": f"python -m sparkiot_sim.training meta --seed {settings.seed}",
                "arena": "realistic",
                "step_s": STEP_S,
                "siblings": SIBLINGS,
                "policy": load_artifact(policy).manifest.digest,
            },
            work=work,
            progress=progress,
        )
