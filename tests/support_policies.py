"""Small networks and artifacts for tests."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from support_jobs import evaluation

from sparkiot_policies.artifact import Artifact, load_artifact, write_artifact
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.features import Feature
from sparkiot_policies.graph import Kind
from sparkiot_policies.manifest import Range
from sparkiot_policies.mlp import Activation, Layer, Mlp
from sparkiot_policies.observation import Observation


def random_mlp(*sizes: int, activation: Activation = Activation.TANH, seed: int = 0) -> Mlp:
    """A network of these layer sizes, inputs first."""
    random = np.random.default_rng(seed)
    layers = [
        Layer(
            (random.standard_normal((out, into)) / np.sqrt(into)).astype(np.float32),
            random.standard_normal(out).astype(np.float32),
        )
        for into, out in itertools.pairwise(sizes)
    ]
    return Mlp(tuple(layers), activation)


def policy_artifact(
    folder: Path, *, seed: int = 0, features: Sequence[Feature] = (), ranges: dict[str, Range] | None = None
) -> Artifact:
    """A written and loaded policy over observation version 1."""
    inputs = len(features) or 13
    write_artifact(
        folder,
        name="test",
        kind="ppo",
        weights=random_mlp(inputs, 32, 35, seed=seed),
        features=features,
        ranges=ranges,
        training={"seed": seed},
    )
    return load_artifact(folder)


def stubborn_artifact(folder: Path, *, executors: int) -> Artifact:
    """A policy that asks for so many executors whatever it sees."""
    mlp = random_mlp(13, 8, 35)
    bias = mlp.layers[-1].bias.copy()
    bias[executors - 1] = 1000.0
    layers = (*mlp.layers[:-1], replace(mlp.layers[-1], bias=bias))
    write_artifact(folder, name=folder.name, kind="ppo", weights=replace(mlp, layers=layers), training={})
    return load_artifact(folder)


def random_artifact(folder: Path, kind: Kind) -> Artifact:
    """An artifact of either kind without features."""
    if kind == "ppo":
        return policy_artifact(folder)
    write_artifact(folder, name="meta", kind="td3", weights=random_mlp(5, 16, 3))
    return load_artifact(folder)


def observed(observation: Observation) -> Evaluation:
    """An evaluation of which only the observation matters."""
    return replace(evaluation(), observation=observation)
