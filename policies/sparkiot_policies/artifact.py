"""A policy artifact: a folder or archive of an ONNX graph and the manifest that vouches for it.

Whoever loads one should know its digest beforehand: it pins the graph, the features, the training ranges and the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue, ValidationError

from .allocation import ACTION_SIZES
from .archive import MIB, read_files
from .errors import ArtifactError, PolicyError
from .familiarity import Familiarity
from .features import Feature, Features
from .graph import OUTPUTS, GraphError, Kind, build, check
from .inference import Session
from .manifest import CONTEXTS, GRAPH_FILE, MANIFEST_FILE, Manifest, Network, Range, digest, seal, to_json
from .mlp import Mlp
from .observation import names
from .options import ExecutorOption, ExecutorOptions

MAX_GRAPH = 16 * MIB
MAX_MANIFEST = 1 * MIB


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified artifact, its graph loaded and ready to run."""

    path: Path
    manifest: Manifest
    session: Session


def load_artifact(path: Path, expected_digest: str | None = None) -> Artifact:
    """Read and verify an artifact: its files' digests, its own, its graph, and that the graph runs.

    expected_digest: the ``sha256:…`` it must have; None accepts any artifact that is whole.
    Raises ArtifactError that names the file and the reason.
    """
    files = read_files(path, {MANIFEST_FILE: MAX_MANIFEST, GRAPH_FILE: MAX_GRAPH})
    if MANIFEST_FILE not in files:
        raise ArtifactError(
            f"{path}: {MANIFEST_FILE} is missing; an archive of Stable-Baselines3 becomes an artifact by"
            " `sparkiot policy import`"
        )
    if GRAPH_FILE not in files:
        raise ArtifactError(f"{path}: {GRAPH_FILE} is missing")
    manifest = _parse_manifest(path, files[MANIFEST_FILE])
    if expected_digest is not None and manifest.digest != expected_digest:
        raise ArtifactError(f"{path}: the artifact's digest is {manifest.digest}, expected {expected_digest}")
    graph = files[GRAPH_FILE]
    if digest(graph) != manifest.files[GRAPH_FILE]:
        raise ArtifactError(f"{path}: {GRAPH_FILE} is {digest(graph)}, the manifest says {manifest.files[GRAPH_FILE]}")
    try:
        return Artifact(path, manifest, verified_session(graph, manifest))
    except (GraphError, PolicyError) as e:
        raise ArtifactError(f"{path}: {GRAPH_FILE}: {e}") from e


def verified_session(graph: bytes, manifest: Manifest) -> Session:
    """A session of a graph that is what its manifest says. Raises GraphError or PolicyError."""
    check(graph, kind=manifest.kind, inputs=len(manifest.elements))
    session = Session(graph)
    ports = OUTPUTS[manifest.kind]
    probe = np.zeros((2, len(manifest.elements)), dtype=np.float32)
    for (name, _, size), result in zip(ports, session.run([p[0] for p in ports], probe), strict=True):
        if result.shape != (2, size):
            raise GraphError(f"output {name} has shape {result.shape} for 2 inputs; expected (2, {size})")
    return session


def write_artifact(
    folder: Path,
    *,
    name: str,
    kind: Kind,
    weights: Mlp,
    observation_schema: int = 1,
    context_schema: int = 1,
    features: Sequence[Feature] = (),
    executors: Sequence[ExecutorOption] = (),
    ranges: Mapping[str, Range] | None = None,
    training: Mapping[str, JsonValue] | None = None,
    scores: Mapping[str, JsonValue] | None = None,
) -> Manifest:
    """Build a network's graph and write it with its manifest into a folder, replacing what an earlier call left there.

    observation_schema: of a ``ppo`` policy. context_schema: of a ``td3`` meta-controller.
    features: what ``weights`` takes, from raw elements; none when it takes the raw elements themselves.
    executors: what the first part of a policy's action chooses from; none when it is the count.
    Raises ValueError when they do not fit together, PolicyMismatchError for an unknown observation schema.
    """
    elements = names(observation_schema) if kind == "ppo" else CONTEXTS[context_schema]
    options = ExecutorOptions(elements, tuple(executors))
    graph = build(kind=kind, network=weights, features=Features(elements, tuple(features)), options=options)
    network = Network(
        inputs=weights.inputs, hidden=weights.hidden, outputs=weights.outputs, activation=weights.activation
    )
    manifest = seal(
        {
            "name": name,
            "kind": kind,
            "observation_schema": observation_schema if kind == "ppo" else None,
            "context_schema": None if kind == "ppo" else context_schema,
            "action_sizes": list(ACTION_SIZES) if kind == "ppo" else [],
            "features": [f.model_dump(mode="json") for f in features],
            **({"executors": [o.model_dump(mode="json") for o in executors]} if executors else {}),
            "ranges": {e: r.model_dump(mode="json") for e, r in (ranges or {}).items()},
            "network": network.model_dump(mode="json"),
            "training": dict(training or {}),
            "scores": dict(scores or {}),
            "files": {GRAPH_FILE: digest(graph)},
        }
    )
    text = to_json(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRAPH_FILE).write_bytes(graph)
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")
    return manifest


def update_scores(folder: Path, scores: Mapping[str, JsonValue]) -> Manifest:
    """Replace the scores in a folder's manifest; its digest changes. Raises ArtifactError when it is not whole."""
    return _update(folder, {"scores": dict(scores)})


def update_familiarity(folder: Path, familiarity: Familiarity) -> Manifest:
    """Replace what a folder's manifest says of the training data; its digest changes, the graph does not.

    Raises ArtifactError when it is not whole, ValueError when the statistic is not one of its features.
    """
    return _update(folder, {"familiarity": familiarity.model_dump(mode="json")})


def _update(folder: Path, changes: Mapping[str, JsonValue]) -> Manifest:
    manifest = seal({**load_artifact(folder).manifest.content(), **changes})
    (folder / MANIFEST_FILE).write_text(to_json(manifest), encoding="utf-8")
    return manifest


def _parse_manifest(path: Path, data: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(data)
        actual = manifest.computed_digest()
    except ValidationError as e:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'content'}: {p['msg']}" for p in e.errors()[:3])
        raise ArtifactError(f"{path}: {MANIFEST_FILE} is not valid: {problems}") from e
    except ValueError as e:
        raise ArtifactError(f"{path}: {MANIFEST_FILE} is not valid: {e}") from e
    if actual != manifest.digest:
        raise ArtifactError(f"{path}: {MANIFEST_FILE} was altered: its digest is {actual}, it says {manifest.digest}")
    return manifest
