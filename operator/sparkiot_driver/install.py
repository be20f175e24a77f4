"""Put this package where a Spark driver's Python finds it: ``python -m sparkiot_driver.install /opt/sparkiot``.

The init container runs it from the operator's image, so that any stock Spark image can run the runtime.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

PACKAGE = "sparkiot_driver"


def install(target: Path) -> Path:
    """Copy this package to ``target/sparkiot_driver`` and return that path.

    Idempotent: the same content is left alone. A new content appears at once, never half of it: it is copied beside
    its place and renamed. Raises OSError when the target cannot be written.
    """
    source = Path(__file__).resolve().parent
    place = target / PACKAGE
    if _content(place) == _content(source):
        return place
    target.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="." + PACKAGE + "-", dir=str(target)))
    try:
        fresh = scratch / "fresh"
        for path, content in _content(source).items():
            file = fresh / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if place.exists():
            place.rename(scratch / "old")
        fresh.rename(place)
    finally:
        shutil.rmtree(str(scratch), ignore_errors=True)
    return place


def _content(package: Path) -> dict[str, bytes]:
    """Every source file by its path in the package; compiled files differ by interpreter and stay behind."""
    return {str(path.relative_to(package)): path.read_bytes() for path in sorted(package.rglob("*.py"))}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m sparkiot_driver.install TARGET_FOLDER\n")
        return 2
    try:
        install(Path(arguments[0]))
    except OSError as error:
        sys.stderr.write(f"cannot install the driver's runtime in {arguments[0]}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
