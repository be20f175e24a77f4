"""What an artifact says of itself, and the one digest that pins all of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from .allocation import ACTION_SIZES
from .evaluation import Context
from .familiarity import Familiarity
from .features import Feature, Features, Finite
from .graph import OUTPUTS, Kind
from .mlp import Activation
from .observation import names
from .options import ExecutorOption, ExecutorOptions

GRAPH_FILE: Final = "policy.onnx"
MANIFEST_FILE = "manifest.json"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""Names are Kubernetes label values, in lower case."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

_CONTEXT = tuple(f.name for f in fields(Context))
CONTEXTS: Mapping[int, tuple[str, ...]] = {1: _CONTEXT[:5], 2: _CONTEXT}
"""The meta-controller's inputs by version of the context, in the order of ``Context``; a later version appends."""
CONTEXT_ELEMENTS = CONTEXTS[1]
"""Of the version that is taken where nobody names one."""


class Range(BaseModel):
    """What training saw of one element, in its unit; None is not checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Finite | None = None
    high: Finite | None = None


class Network(BaseModel):
    """Shape of the network behind the features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: int = Field(gt=0)
    hidden: tuple[int, ...]
    outputs: int = Field(gt=0)
    activation: Activation


class Manifest(BaseModel):
    """The manifest of a policy (kind ``ppo``) or a meta-controller (kind ``td3``).

    manifest_version: of this format. observation_schema, context_schema: which numbers the graph takes; the one that
    fits the kind is set. action_sizes: of the policy's MultiDiscrete space; empty for a meta-controller. executors:
    what the first part of the action chooses from; empty where it is the count itself, and not written then. ranges:
    what training saw, element by element, for out-of-distribution detection. familiarity: the same of all features
    together; absent where nobody measured it, and not written then. training: how it was trained or where it came from.
    scores: what it reached. files: digests of the other files. digest: of all the above.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest_version: Literal[1] = 1
    name: str = Field(pattern=NAME_PATTERN)
    kind: Kind
    observation_schema: Literal[1, 2, 3] | None = None
    context_schema: Literal[1, 2] | None = None
    action_sizes: tuple[int, ...]
    features: tuple[Feature, ...] = ()
    executors: tuple[ExecutorOption, ...] = ()
    ranges: dict[str, Range] = Field(default_factory=dict)
    familiarity: Familiarity | None = None
    network: Network
    training: dict[str, JsonValue] = Field(default_factory=dict)
    scores: dict[str, JsonValue] = Field(default_factory=dict)
    files: dict[Literal["policy.onnx"], Digest]
    digest: Digest

    @model_validator(mode="after")
    def _fits(self) -> "Manifest":
        policy = self.kind == "ppo"
        if policy != (self.observation_schema is not None) or policy == (self.context_schema is not None):
            raise ValueError("kind ppo needs observation_schema, kind td3 needs context_schema, and neither both")
        if self.action_sizes != (ACTION_SIZES if policy else ()):
            raise ValueError(f"action_sizes are {list(self.action_sizes)}; {list(ACTION_SIZES)} for ppo, [] for td3")
        outputs = sum(ACTION_SIZES) if policy else OUTPUTS["td3"][0][2]
        if self.network.inputs != self.inputs.size or self.network.outputs != outputs:
            raise ValueError(
                f"network has {self.network.inputs} inputs and {self.network.outputs} outputs;"
                f" {self.inputs.size} and {outputs} are needed"
            )
        if unknown := set(self.ranges) - set(self.inputs.elements):
            raise ValueError(f"ranges name unknown elements: {', '.join(sorted(unknown))}")
        if self.familiarity is not None and len(self.familiarity.mean) != self.inputs.size:
            raise ValueError(f"familiarity is of {len(self.familiarity.mean)} features, not of {self.inputs.size}")
        if self.executors and not policy:
            raise ValueError("executors are a policy's; kind td3 has none")
        _ = self.options
        if GRAPH_FILE not in self.files:
            raise ValueError(f"files lack {GRAPH_FILE}")
        return self

    @property
    def elements(self) -> tuple[str, ...]:
        """Names of the graph's inputs, in order."""
        if self.context_schema is not None:
            return CONTEXTS[self.context_schema]
        return names(self.observation_schema or 1)

    @property
    def inputs(self) -> Features:
        """The features over the graph's inputs."""
        return Features(self.elements, self.features)

    @property
    def options(self) -> ExecutorOptions:
        """What the first part of the action chooses from, over the graph's inputs."""
        return ExecutorOptions(self.elements, self.executors)

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the elements that the graph depends on, in the inputs' order."""
        named = {*self.inputs.used, *self.options.used}
        return tuple(e for e in self.elements if e in named)

    def content(self) -> dict[str, JsonValue]:
        """All but the digest, as the file holds it."""
        absent = {name for name in ("executors", "familiarity") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude={"digest", *absent})

    @property
    def schema_name(self) -> str:
        """Which numbers it takes, for people."""
        return f"observation v{self.observation_schema}" if self.kind == "ppo" else f"context v{self.context_schema}"

    def computed_digest(self) -> str:
        """``sha256:…`` over the canonical JSON of everything but the digest itself."""
        return digest_of_manifest(self.content())


def digest(data: bytes) -> str:
    """``sha256:…`` of a file's bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_of_manifest(content: Mapping[str, JsonValue]) -> str:
    """The digest of a manifest's content without its digest. Raises ValueError when a number is NaN or infinite."""
    return digest(json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def seal(content: Mapping[str, JsonValue]) -> Manifest:
    """A manifest of this content, with its digest. Raises ValueError when the content does not fit."""
    draft = Manifest.model_validate({**content, "digest": digest(b"")})
    return draft.model_copy(update={"digest": draft.computed_digest()})


def to_json(manifest: Manifest) -> str:
    """The manifest as the file holds it."""
    content = {**manifest.content(), "digest": manifest.digest}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
