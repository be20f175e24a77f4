"""How executors get the modules of the shuffle: a zip that Spark hands to them, so that any image will do."""

from __future__ import annotations

import atexit
import importlib
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGES = ("sparkiot_driver", "sparkiot_tiers")
_shipped: set[str] = set()
"""Applications whose executors have them."""


def ship(context: Any) -> None:
    """Give both packages to all executors of a SparkContext, those that come later included. Idempotent."""
    if context.applicationId in _shipped:
        return
    folder = tempfile.mkdtemp(prefix="sparkiot-")
    archive = Path(folder, f"{Path(folder).name}.zip")  # a name may come once a context
    pack(archive)
    atexit.register(_remove, archive)
    context.addPyFile(str(archive))
    _shipped.add(context.applicationId)


def pack(archive: Path) -> None:
    """Write the sources of both packages, under their own names."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name in PACKAGES:
            home = Path(str(importlib.import_module(name).__file__)).parent
            for path in sorted(home.rglob("*.py")):
                out.write(str(path), f"{name}/{path.relative_to(home).as_posix()}")


def _remove(archive: Path) -> None:
    if archive.exists():
        archive.unlink()
        archive.parent.rmdir()
