"""What a policy of the realistic arena was trained on, as a statistic in its artifact: ``familiarity`` in its manifest.

The episodes are drawn as those of training, and the policy itself plays them: what it meets live it meets by its own
doing. Seeds are others than training's own, which has no use of them once the networks are made.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparkiot_policies.artifact import load_artifact, update_familiarity
from sparkiot_policies.familiarity import fit
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.manifest import Manifest
from sparkiot_policies.rules import rule
from sparkiot_sim.episode import Run
from sparkiot_sim.randomisation import Randomisation
from sparkiot_sim.setting import Setting

EPISODES = 1000
SEED = 100
TAIL = 1e-4
"""Share of the decisions beyond each quantile: a dozen of a hundred and twenty thousand."""


def settings(count: int, seed: int) -> Iterator[Setting]:
    """Episodes drawn as training draws them."""
    rng, randomisation = np.random.default_rng(seed), Randomisation()
    for _ in range(count):
        yield randomisation.draw(rng)


def features_met(policy: LearnedPolicy, setting: Setting) -> npt.NDArray[np.float32]:
    """The features of a policy at each decision of an episode that it plays, shape (decisions, features); without
    those at which it lacked a measurement."""
    run = Run(
        job=setting.job,
        simulated=setting.simulated(),
        policy=policy,
        fallback=rule("Rate"),
        start=setting.start,
    )
    found = [policy.features(cycle.evaluation.observation) for cycle in run.cycles(setting.duration_s)]
    known = [features for features in found if features is not None]
    return np.stack(known) if known else np.empty((0, 0), dtype=np.float32)


def familiarise(folder: Path, *, episodes: int = EPISODES, seed: int = SEED, tail: float = TAIL) -> Manifest:
    """Measure the statistic of an artifact and write it into its manifest; the graph stays as it is.

    tail: share of the decisions beyond each bound. Raises ArtifactError when the folder holds none, PolicyMismatchError
    when it is not a policy.
    """
    policy = LearnedPolicy(load_artifact(folder))
    parts = [features_met(policy, setting) for setting in settings(episodes, seed)]
    met = np.concatenate([part for part in parts if len(part)])
    return update_familiarity(folder, fit(met, tail=tail, seed=seed))
