"""Learned policies: an artifact's graph behind the protocols of ``policy.py``."""

import math
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from .allocation import Allocation
from .artifact import Artifact
from .decision import PolicyIdentity
from .errors import ObservationMissingError, PolicyError, PolicyMismatchError
from .evaluation import Context, Evaluation
from .familiarity import Expectation
from .graph import Kind
from .job import Job
from .manifest import Manifest, Range
from .objectives import Weights
from .observation import Observation

FLOAT32_MAX = float(np.finfo(np.float32).max)
MARGIN = 0.1
"""How far beyond its training range an element may lie and still be familiar, as a share of the range's width (of the
bound itself where only one is known): a network interpolates a little past the edge of what it saw."""


class _Inputs:
    """Turns the elements that a graph really uses into its input; the unused ones are 0 there and need not be known."""

    def __init__(self, manifest: Manifest) -> None:
        self.names = manifest.used
        self.elements = manifest.elements
        self._getter = attrgetter(*self.names)
        self._single = len(self.names) == 1
        self._size = len(manifest.elements)
        self._positions = [manifest.elements.index(name) for name in self.names]

    def vector(self, source: object) -> npt.NDArray[np.float32]:
        """Shape (1, inputs). Raises ObservationMissingError when a used element is missing, not finite or too large."""
        found = self._getter(source)
        values: Sequence[float | None] = (found,) if self._single else found
        x = np.zeros((1, self._size), dtype=np.float32)
        bad = []
        for name, position, value in zip(self.names, self._positions, values, strict=True):
            if value is None or not math.isfinite(value) or abs(value) > FLOAT32_MAX:
                bad.append(name)
            else:
                x[0, position] = value
        if bad:
            raise ObservationMissingError(bad)
        return x


class LearnedPolicy:
    """A contextual PPO policy. Raises PolicyMismatchError when the artifact is not one."""

    def __init__(self, artifact: Artifact) -> None:
        _require(artifact, "ppo")
        self._session = artifact.session
        self._inputs = _Inputs(artifact.manifest)
        self._ranges = [(e, *_familiar(r)) for e, r in artifact.manifest.ranges.items() if e in self._inputs.names]
        self._features = artifact.manifest.inputs
        self._elements = tuple(f.element for f in self._features.features) or self._features.elements
        known = artifact.manifest.familiarity
        self._expectation = None if known is None else Expectation(known)
        self._identity = _identity(artifact)

    @property
    def identity(self) -> PolicyIdentity:
        return self._identity

    @property
    def elements(self) -> tuple[str, ...]:
        """The graph's inputs, in order: those of its observation schema."""
        return self._inputs.elements

    def vector(self, observation: Observation) -> npt.NDArray[np.float32]:
        """What the graph is given of an observation, shape (1, elements). Raises ObservationMissingError."""
        return self._inputs.vector(observation)

    def needs(self) -> tuple[str, ...]:
        """The elements that the graph uses: those of its features and options, or all of its observation schema."""
        return self._inputs.names

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        """Elements outside their training range by more than MARGIN, missing ones not counted; where there is none,
        those that are not what the others lead one to expect, and say so."""
        observation = evaluation.observation
        return self.outside(observation) or self._strange_together(observation)

    def outside(self, observation: Observation) -> tuple[str, ...]:
        """Elements outside their training range by more than MARGIN; missing ones are not counted."""
        return tuple(
            name
            for name, low, high in self._ranges
            if (value := getattr(observation, name)) is not None and not low <= value <= high
        )

    def features(self, observation: Observation) -> npt.NDArray[np.float32] | None:
        """What the network sees of an observation, shape (features,); None where it could not decide."""
        try:
            return self._features.apply(self._inputs.vector(observation)[0])
        except ObservationMissingError:
            return None

    def _strange_together(self, observation: Observation) -> tuple[str, ...]:
        if self._expectation is None or (features := self.features(observation)) is None:
            return ()
        strange = self._expectation.strange(features)
        if not strange.any():
            return ()
        # An element may have several features, as the tier has.
        named = dict.fromkeys(name for name, found in zip(self._elements, strange.tolist(), strict=True) if found)
        return tuple(f"{name} for what the others are" for name in named)

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:  # noqa: ARG002 - the protocol passes the job
        """The graph's action. Raises ObservationMissingError or PolicyError, never answers from a missing value."""
        action = self.actions(self._inputs.vector(evaluation.observation))[0]
        return Allocation.from_action(action.tolist())

    def actions(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """MultiDiscrete actions of a batch: raw observations (N, elements) to (N, 4).

        Raises PolicyError when an observation or the network's output is not finite.
        """
        _require_finite(observations, self._identity, "was given")
        action, logits = self._session.run(["action", "logits"], observations)
        _require_finite(logits, self._identity, "gave")
        return action


class LearnedMetaController:
    """A TD3 meta-controller. Raises PolicyMismatchError when the artifact is not one."""

    def __init__(self, artifact: Artifact) -> None:
        _require(artifact, "td3")
        self._session = artifact.session
        self._inputs = _Inputs(artifact.manifest)
        self._identity = _identity(artifact)

    @property
    def identity(self) -> PolicyIdentity:
        return self._identity

    def weights(self, context: Context) -> Weights:
        """The weights for a context. Raises ObservationMissingError or PolicyError."""
        found = self.batch(self._inputs.vector(context))[0].astype(np.float64)
        cost, latency, throughput = (found / found.sum()).tolist()
        return Weights(cost, latency, throughput)

    def batch(self, contexts: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Weights of a batch of contexts, shape (N, 5) to (N, 3), whose rows sum to 1.

        Raises PolicyError when a context or the network's output is not finite.
        """
        _require_finite(contexts, self._identity, "was given")
        (weights,) = self._session.run(["weights"], contexts)
        _require_finite(weights, self._identity, "gave")
        return weights


def _require(artifact: Artifact, kind: Kind) -> None:
    if artifact.manifest.kind != kind:
        raise PolicyMismatchError(f"{artifact.path}: a {artifact.manifest.kind} artifact where {kind} is needed")


def _require_finite(values: npt.NDArray[Any], identity: PolicyIdentity, what: str) -> None:
    if not np.isfinite(values).all():
        raise PolicyError(f"policy {identity.name} {what} NaN or infinity")


def _identity(artifact: Artifact) -> PolicyIdentity:
    return PolicyIdentity(artifact.manifest.name, artifact.manifest.digest)


def _familiar(training: Range) -> tuple[float, float]:
    low, high = training.low, training.high
    if low is not None and high is not None:
        margin = MARGIN * (high - low)
        return low - margin, high + margin
    return (
        -math.inf if low is None else low - MARGIN * abs(low),
        math.inf if high is None else high + MARGIN * abs(high),
    )
