"""What an image must hold for the tiered shuffle, said before Spark or a task stumbles over it."""

from __future__ import annotations

import importlib.util
from typing import Sequence

BASE = ("pyarrow", "pandas")
"""pandas because PySpark asks for it wherever Arrow goes through Python; no row of the shuffle goes through it."""


class MissingPackage(ImportError):  # noqa: N818 - it is an ImportError by its base
    """The image lacks packages; the message says which, and what to install."""


def missing(names: Sequence[str] = BASE) -> list[str]:
    """Those that cannot be imported here."""
    return [name for name in names if not _is_there(name)]


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # a module that somebody has blocked
        return False


def require(names: Sequence[str] = BASE) -> None:
    """Raises MissingPackage."""
    lacking = missing(names)
    if lacking:
        raise MissingPackage(
            f"the tiered shuffle needs {', '.join(lacking)}, which this image lacks: add "
            f"`pip install {' '.join(lacking)}` to the image of driver and executors"
        )
