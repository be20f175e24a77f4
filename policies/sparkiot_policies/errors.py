"""The errors of the decision package.

PolicyError
├── ArtifactError        a policy artifact cannot be trusted or read; names the file
├── ObservationMissingError   a policy was asked to decide on a value that nobody measured
└── PolicyMismatchError       the policy was trained for another observation schema or action space
"""

from collections.abc import Sequence


class PolicyError(Exception):
    """Base of everything this package raises on purpose."""


class ArtifactError(PolicyError):
    """A policy artifact is absent, damaged, altered or of another kind. The message names the file and the reason."""


class PolicyMismatchError(PolicyError):
    """A policy's manifest names an observation schema or an action space that this version does not know."""


class ObservationMissingError(PolicyError):
    """Elements of the observation that a policy needs are missing. Missing is never zero."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(f"observation lacks {', '.join(self.names)}")
