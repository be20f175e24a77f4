"""Put this package where a Spark driver's Python finds it: ``python -m sparkiot_driver.install /opt/sparkiot``.

The init container runs it from the operator's image, so that any stock Spark image can run the runtime. The shuffle
tiers go with it: executors import them as well, from the path that the driver's properties give them.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import sparkiot_tiers

PACKAGES = (Path(__file__).resolve().parent, Path(sparkiot_tiers.__file__).resolve().parent)


def install(target: Path) -> None:
    """Copy the runtime's packages into ``target``, each under its own name.

    Idempotent: the same content is left alone. A new content appears at once, never half of it: it is copied beside
    its place and renamed. Raises OSError when the target cannot be written.
    """
    target.mkdir(parents=True, exist_ok=True)
    for source in PACKAGES:
        _install(source, target)


def _install(source: Path, target: Path) -> None:
    place = target / source.name
    if _content(place) == _content(source):
        return
    scratch = Path(tempfile.mkdtemp(prefix=f".{source.name}-", dir=str(target)))
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
