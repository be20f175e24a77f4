"""What the images install: the versions that are tested, all with hashes, no more and no less than is needed."""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from audit_images import verdict
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "operator" / "images"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = {
    "operator": [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["kafka"]],
    "spark": [line for line in (IMAGES / "spark.in").read_text().splitlines() if not line.startswith("#")],
}
AGAIN = "run `make lock`"
Json = dict[str, Any]


def locked(name: str) -> dict[str, tuple[str, set[str]]]:
    """Version and hashes by package."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", (IMAGES / f"{name}.txt").read_text()):
        package, version = re.match(r"([\w.-]+)==(\S+)", block, re.ASCII).groups()  # type: ignore[union-attr]
        found[canonicalize_name(package)] = (version, set(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block)))
    return found


def pins() -> dict[str, str]:
    lines = (ROOT / ".constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {canonicalize_name(name): version for name, version in pairs}


def closure(needed: Iterable[str]) -> set[str]:
    """All packages that these lead to, as their installed releases state it."""
    found, todo = set[tuple[str, str]](), [(Requirement(text), "") for text in needed]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in found:
                found.add((name, wanted))
                todo += [(Requirement(text), wanted) for text in importlib.metadata.requires(name) or ()]
    return {name for name, _ in found}


@pytest.mark.parametrize("image", sorted(NEEDED))
def test_an_image_installs_what_is_needed_and_nothing_else(image: str) -> None:
    assert set(locked(image)) == closure(NEEDED[image]), AGAIN


@pytest.mark.parametrize("image", sorted(NEEDED))
def test_an_image_installs_the_versions_that_are_tested(image: str) -> None:
    versions = {name: version for name, (version, _) in locked(image).items()}
    assert versions == {name: pins()[name] for name in versions}, AGAIN


@pytest.mark.parametrize("lock", ["build", "operator", "spark"])
def test_every_package_has_hashes(lock: str) -> None:
    assert [name for name, (_, hashes) in locked(lock).items() if not hashes] == []


def test_the_page_of_licences_is_of_what_is_installed() -> None:
    rows = re.findall(r"^\| (\S+) +\| (\S+) +\| (.+?) +\|$", (ROOT / "docs/reference/licences.md").read_text(), re.M)
    listed = {canonicalize_name(name): version for name, version, _ in rows if name != "Name"}
    installed = {name: version for image in NEEDED for name, (version, _) in locked(image).items()}
    assert listed == installed, AGAIN
    assert [name for name, _, licence in rows if licence.upper() in ("", "UNKNOWN")] == []


@pytest.mark.parametrize("image", sorted(NEEDED))
def test_nothing_is_installed_without_its_hash(image: str) -> None:
    """Whatever an image's build takes from an index comes from a lock file; the rest is built there."""
    text = (IMAGES / f"{image}.Dockerfile").read_text().replace("\\\n", " ")
    steps = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&\n]*", text)
    assert len(steps) >= 3
    assert [step for step in steps if "--require-hashes" not in step and "--no-deps" not in step] == []
    assert [
        step for step in steps if "--require-hashes" not in step and "/wheels/*.whl" not in step and "/src" not in step
    ] == []


SAFE: Json = {"name": "a", "version": "1", "vulns": []}
UNKNOWN: Json = {"name": "b", "skip_reason": "not found"}
FLAWED: Json = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([SAFE, SAFE], 0, "no known vulnerability in 2 packages"),
        ([SAFE, UNKNOWN], 0, "no known vulnerability in 1 packages; it does not know b"),
        ([UNKNOWN, UNKNOWN], 0, "NOT audited: the vulnerability service gives no answer (not found)"),
        ([SAFE, UNKNOWN, FLAWED], 1, "c 2: PYSEC-1, mended in 3"),
    ],
)
def test_a_service_that_knows_nothing_has_not_audited(packages: list[Json], code: int, words: str) -> None:
    assert verdict({"dependencies": packages}) == (code, words)
