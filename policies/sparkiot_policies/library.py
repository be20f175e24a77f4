"""The artifacts that ship with the package, and how a name or a path becomes an artifact."""

from pathlib import Path

from .artifact import Artifact, load_artifact
from .errors import ArtifactError
from .manifest import MANIFEST_FILE

FOLDER = Path(__file__).with_name("artifacts")


def shipped() -> tuple[str, ...]:
    """Names of the artifacts that ship with the package."""
    return tuple(sorted(m.parent.name for m in FOLDER.glob(f"*/{MANIFEST_FILE}")))


def locate(reference: str) -> Path:
    """Where an artifact lies: a shipped one by its name, any other by its path. Raises ArtifactError if it is neither.

    A shipped name wins over a file of that name here; ``./name`` means the file.
    """
    if reference in shipped():
        return FOLDER / reference
    path = Path(reference).expanduser()
    if not path.exists():
        known = ", ".join(shipped()) or "none"
        raise ArtifactError(f"{reference}: neither a path nor the name of a shipped artifact (shipped: {known})")
    return path


def load(reference: str, expected_digest: str | None = None) -> Artifact:
    """Load an artifact by name or path; see ``load_artifact``."""
    return load_artifact(locate(reference), expected_digest)
