"""Importing a Stable-Baselines3 archive: its weights only, and nothing in it is ever unpickled.

The archive is a zip of ``data`` (JSON, in which whatever JSON cannot hold is a pickle in base64 beside a readable
description) and ``policy.pth`` (tensors). The descriptions and the tensors' shapes tell all that is needed; the pickles
stay text. Observation statistics that VecNormalize keeps are not in the archive: a policy trained under them needs them
as features.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from .allocation import ACTION_SIZES
from .archive import MIB, read_files
from .artifact import write_artifact
from .errors import ArtifactError
from .features import Feature, Features
from .graph import OUTPUTS, Kind, build
from .inference import Session
from .manifest import CONTEXTS, Manifest, Range, digest
from .mlp import Activation, Mlp
from .observation import ELEMENTS, names
from .options import ExecutorOption, ExecutorOptions
from .proof import Proof, prove
from .sb3_layers import kind_of, layers_of
from .torch_weights import read_tensors

LIMITS = {"data": 32 * MIB, "policy.pth": 64 * MIB, "_stable_baselines3_version": MIB}
PROOF_SAMPLES = 10_000

DEFAULT_ACTIVATION: Mapping[Kind, Activation] = {"ppo": Activation.TANH, "td3": Activation.RELU}
"""What Stable-Baselines3 uses when ``policy_kwargs`` names none."""

HARMLESS_KWARGS = frozenset(
    {
        "features_extractor_kwargs",
        "full_std",
        "log_std_init",
        "n_critics",
        "net_arch",
        "normalize_images",
        "optimizer_class",
        "optimizer_kwargs",
        "ortho_init",
        "share_features_extractor",
        "use_expln",
    }
)
"""Arguments of a policy that say nothing of how it acts, or what the tensors' shapes say already."""


@dataclass(frozen=True, slots=True)
class Sb3Model:
    """What an archive holds. ranges: the bounds of its observation space where they are finite, in order."""

    kind: Kind
    network: Mlp
    ranges: tuple[Range, ...] | None
    version: str
    timesteps: int | None


@dataclass(frozen=True, slots=True)
class Imported:
    """A written artifact and the proof that it acts as the archive does."""

    manifest: Manifest
    proof: Proof


def import_sb3(
    path: Path,
    folder: Path,
    *,
    name: str,
    observation_schema: int = 1,
    context_schema: int = 1,
    features: Sequence[Feature] = (),
    executors: Sequence[ExecutorOption] = (),
    ranges: Mapping[str, Range] | None = None,
    training: Mapping[str, JsonValue] | None = None,
    scores: Mapping[str, JsonValue] | None = None,
    seed: int = 0,
) -> Imported:
    """Convert an archive, prove the conversion on 10,000 random observations drawn with ``seed``, and write it.

    observation_schema: what a PPO policy was trained on. context_schema: what a TD3 meta-controller was.
    features: what the archive's network takes, from raw elements; none when it was trained on the raw elements.
    executors: what the first part of the archive's action chooses from; none when it is the count.
    ranges: None takes the bounds of the archive's observation space, or of the schema where it has none.
    Raises ArtifactError that names the file and the reason; then nothing was written.
    """
    model = read_sb3(path)
    elements = names(observation_schema) if model.kind == "ppo" else CONTEXTS[context_schema]
    inputs = Features(elements, tuple(features))
    options = ExecutorOptions(elements, tuple(executors))
    if model.network.inputs != inputs.size:
        schema = f"observation schema {observation_schema}" if model.kind == "ppo" else "the context"
        raise ArtifactError(
            f"{path}: the network takes {model.network.inputs} numbers; {'features of ' if features else ''}{schema}"
            f" {'give' if features else 'has'} {inputs.size}"
        )
    try:
        graph = build(kind=model.kind, network=model.network, features=inputs, options=options)
    except ValueError as e:
        raise ArtifactError(f"{path}: {e}") from e
    try:
        proof = prove(
            Session(graph),
            kind=model.kind,
            network=model.network,
            features=inputs,
            options=options,
            samples=PROOF_SAMPLES,
            seed=seed,
        )
    except ArtifactError as e:
        raise ArtifactError(f"{path}: {e}") from e
    source: dict[str, JsonValue] = {
        "source": path.name,
        "source_digest": digest(path.read_bytes()),
        "stable_baselines3": model.version,
        "timesteps": model.timesteps,
        "proof": asdict(proof),
    }
    manifest = write_artifact(
        folder,
        name=name,
        kind=model.kind,
        weights=model.network,
        observation_schema=observation_schema,
        context_schema=context_schema,
        features=features,
        executors=executors,
        ranges=_ranges(model, elements, raw=not features) if ranges is None else ranges,
        training={**source, **(training or {})},
        scores=scores,
    )
    return Imported(manifest, proof)


def read_sb3(path: Path) -> Sb3Model:
    """Read an archive of PPO on MultiDiscrete([20, 8, 4, 3]) or of TD3 on Box(3) in [-1, 1].

    Raises ArtifactError that names the file and what about it is not supported.
    """
    if path.is_dir():
        raise ArtifactError(f"{path}: a folder; a Stable-Baselines3 archive is a zip")
    files = read_files(path, LIMITS)
    for member in ("data", "policy.pth"):
        if member not in files:
            raise ArtifactError(f"{path}: not a Stable-Baselines3 archive: {member} is missing")
    settings = _settings(path, files["data"])
    tensors = read_tensors(files["policy.pth"], f"{path}: policy.pth")
    try:
        kind = kind_of(tensors)
        _check_actions(path, settings, kind)
        network = Mlp(layers_of(tensors, kind), _activation(path, settings, kind))
    except ValueError as e:
        raise ArtifactError(f"{path}: policy.pth: {e}") from e
    shape = _shape(_space(settings, "observation_space"))
    if shape != [network.inputs]:
        raise ArtifactError(f"{path}: observation space of shape {shape}, but the network takes {network.inputs}")
    timesteps = settings.get("num_timesteps")
    return Sb3Model(
        kind=kind,
        network=network,
        ranges=_space_ranges(_space(settings, "observation_space"), network.inputs),
        version=files.get("_stable_baselines3_version", b"unknown").decode(errors="replace").strip()[:40],
        timesteps=timesteps if isinstance(timesteps, int) else None,
    )


def _settings(path: Path, data: bytes) -> dict[str, Any]:
    try:
        settings = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise ArtifactError(f"{path}: data is not JSON: {e}") from e
    if not isinstance(settings, dict):
        raise ArtifactError(f"{path}: data is not a JSON object")
    return settings


def _activation(path: Path, settings: Mapping[str, Any], kind: Kind) -> Activation:
    """The activation that ``policy_kwargs`` names; refuses arguments that change how the policy acts."""
    kwargs = settings.get("policy_kwargs") or {}
    if not isinstance(kwargs, dict):
        raise ArtifactError(f"{path}: policy_kwargs is not readable")
    for key, value in kwargs.items():
        extractor = key == "features_extractor_class" and "torch_layers.FlattenExtractor'" in str(value)
        off = key in ("use_sde", "squash_output") and value is False
        if not (key.startswith(":") or key == "activation_fn" or key in HARMLESS_KWARGS or extractor or off):
            raise ArtifactError(f"{path}: policy_kwargs {key}={value!s:.80} is not supported")
    if settings.get("use_sde"):
        raise ArtifactError(f"{path}: state-dependent exploration (use_sde) is not supported")
    if "activation_fn" not in kwargs:
        return DEFAULT_ACTIVATION[kind]
    text = str(kwargs["activation_fn"])
    match = re.fullmatch(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>", text)
    if match is None or match.group(1) not in list(Activation):
        known = ", ".join(Activation)
        raise ArtifactError(f"{path}: activation_fn {text:.80} is not supported; supported: {known}")
    return Activation(match.group(1))


def _space(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    space = settings.get(name)
    return space if isinstance(space, dict) else {}


def _shape(space: Mapping[str, Any]) -> Any:
    return space.get("_shape", space.get("shape"))


def _check_actions(path: Path, settings: Mapping[str, Any], kind: Kind) -> None:
    space = _space(settings, "action_space")
    if kind == "ppo":
        sizes = _numbers(space.get("nvec"))
        if sizes != list(ACTION_SIZES):
            found = f"MultiDiscrete({sizes})" if sizes else str(space.get(":type:", "unreadable"))
            raise ArtifactError(f"{path}: action space {found}; MultiDiscrete({list(ACTION_SIZES)}) is needed")
        return
    size = OUTPUTS["td3"][0][2]
    if (
        _shape(space) != [size]
        or _numbers(space.get("low")) != [-1] * size
        or _numbers(space.get("high")) != [1] * size
    ):
        raise ArtifactError(
            f"{path}: action space of shape {_shape(space)} from {space.get('low')} to {space.get('high')};"
            f" Box of shape [{size}] from -1 to 1 is needed"
        )


def _numbers(text: object) -> list[float] | None:
    """The numbers of a one-dimensional numpy array's text; None when it has none or is abbreviated."""
    try:
        return [float(word) for word in str(text).strip("[]").split()] or None
    except ValueError:
        return None


def _space_ranges(space: Mapping[str, Any], size: int) -> tuple[Range, ...] | None:
    low, high = _numbers(space.get("low")), _numbers(space.get("high"))
    if low is None or high is None or len(low) != size or len(high) != size:
        return None
    return tuple(
        Range(low=lo if np.isfinite(lo) else None, high=hi if np.isfinite(hi) else None)
        for lo, hi in zip(low, high, strict=True)
    )


def _ranges(model: Sb3Model, elements: Sequence[str], *, raw: bool) -> dict[str, Range]:
    """Training ranges where nobody measured them: a space's bounds are of its raw elements, not of features."""
    if raw and model.ranges is not None:
        return dict(zip(elements, model.ranges, strict=True))
    return {e.name: Range(low=e.low, high=e.high) for e in ELEMENTS if e.name in elements}
