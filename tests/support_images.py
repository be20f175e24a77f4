"""Builds what a Dockerfile describes as plain folders, without Docker and without root, to see what an image holds.

Every stage has the same root folder while it is built, and is moved aside after that, so that absolute paths that a
step leaves behind (in scripts of a virtual environment) are found again by a later stage, as in an image.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

REPOSITORY = Path(__file__).parents[1]
NEEDS_ROOT = ("apt-get", "groupadd", "useradd")
"""Commands that need root and a distribution of their own; a step that holds one is left out."""


@dataclass
class Image:
    """The last stage of a Dockerfile: its files below root, and what it states about its processes."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0"
    entrypoint: str = ""
    bases: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def run(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as in the image, with nothing of this machine but its basic tools. Its exit code must be 0."""
        mapped = {name: self.map(value) for name, value in self.environment.items()}
        done = subprocess.run(
            command, env={**mapped, **environment}, cwd=self.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def map(self, text: str) -> str:
        """Paths below /opt, which is all that these images add, as paths of this machine."""
        return re.sub(r"(?<![\w.-])/opt(?=/|:|$)", str(self.root / "opt"), text)

    def size(self) -> int:
        """Bytes of all files."""
        return sum(f.lstat().st_size for f in self.root.rglob("*") if f.is_file() and not f.is_symlink())


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Its instructions with their values, in order, without comments."""
    with dockerfile.open("rb") as text:
        parsed = DockerfileParser(fileobj=text, env_replace=False).structure
    return [(i["instruction"], i["value"]) for i in parsed if i["instruction"] != "COMMENT"]


def build(dockerfile: Path, scratch: Path) -> Image:
    """The last stage's image, with its files below ``scratch/root``. Fails with the output of a step that fails."""
    root, stages, arguments = scratch / "root", dict[str, Path](), dict[str, str]()
    image, name, folder = Image(root), "", root
    for instruction, value in instructions(dockerfile):
        match instruction, shlex.split(value):
            case "ARG", [argument]:
                key, _, default = argument.partition("=")
                arguments.setdefault(key, default)
            case "FROM", [base, *alias]:
                if root.exists():
                    stages[name] = root.rename(scratch / f"stage-{name}")
                root.mkdir(parents=True)
                name = alias[1] if alias else ""
                bases = [*image.bases, re.sub(r"\$\{(\w+)\}", lambda m: arguments[m[1]], base)]
                image, folder = Image(root, bases=bases, left_out=image.left_out), root
            case "WORKDIR", [path]:
                folder = image.path(path)
                folder.mkdir(parents=True, exist_ok=True)
            case "COPY", [*options, target] if options:
                source = next((o.removeprefix("--from=") for o in options if o.startswith("--from=")), None)
                mode = next((o.removeprefix("--chmod=") for o in options if o.startswith("--chmod=")), None)
                tree = REPOSITORY if source is None else stages[source]
                files = [tree / o.lstrip("/") for o in options if not o.startswith("--")]
                place = image.path(target) if target.startswith("/") else folder / target
                _copy(files, place, into=target.endswith("/"), mode=mode, link=source is not None)
            case "ENV", pairs:
                image.environment.update({name: text for name, _, text in (pair.partition("=") for pair in pairs)})
            case "USER", [user]:
                image.user = user
            case "ENTRYPOINT", _:
                image.entrypoint = value
            case "RUN", words if set(words) & set(NEEDS_ROOT):
                image.left_out.append(value)
            case "RUN", _:
                _run(value, root, folder, {**arguments, **image.environment})
            case _:
                raise AssertionError(f"{dockerfile.name}: {instruction} {value}: this builder cannot do that")
    return image


def _copy(files: list[Path], place: Path, *, into: bool, mode: str | None, link: bool) -> None:
    """link: take the files of an earlier stage, which is finished, without copying hundreds of megabytes."""
    for file in files:
        target = place / file.name if into else place
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            copy = os.link if link else shutil.copy2
            shutil.copytree(
                file, target, symlinks=True, dirs_exist_ok=True, ignore=None if link else ignored, copy_function=copy
            )
        else:
            shutil.copy2(file, target)
            if mode:
                target.chmod(int(mode, 8))


def _run(command: str, root: Path, folder: Path, environment: dict[str, str]) -> None:
    # A stage's absolute paths lie below its root; its tools come by name. pip may use this machine's cache.
    mapped = re.sub(r"(?<![\w.*$/-])/(?=\w)", f"{root}/", command).replace(" --no-cache-dir", "")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    settings = {**kept, **environment, "PATH": path}
    done = subprocess.run(["sh", "-c", mapped], env=settings, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
