"""What the README says, done literally in an empty folder: clone, run its commands, look for what it promises."""

import os
import re
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_HERE = {
    "make test": "it would run this test again; CI runs it, as the README says",
}

EVALUATE = (
    ".venv/bin/sparkiot simulate operator/sparkiot_operator/examples/healthcare.yaml --policy default "
    "--policy RateAhead --png runs/day.png"
)


def blocks() -> list[str]:
    """The README's shell blocks, in order."""
    return [b.strip() for b in re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last commit in an empty folder; what is not committed does not exist for a newcomer."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout")
    folder = tmp_path_factory.mktemp("newcomer") / "sparkiot"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def environment() -> dict[str, str]:
    """A user's shell: no virtual environment, no kubeconfig; kubectl on the path."""
    scripts = sysconfig.get_path("scripts")
    base = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "KUBECONFIG", "PYTHONPATH", "MAKEFLAGS")}
    others = [p for p in base["PATH"].split(os.pathsep) if p != scripts]
    return {**base, "PATH": os.pathsep.join([*others, scripts])}


def shell(script: str, folder: Path, *, timeout: float = 900) -> str:
    result = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert result.returncode == 0, f"{script}\n{result.stdout[-4000:]}"
    return result.stdout


@pytest.fixture
def background(clone: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in reversed(started):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def test_the_blocks_are_those_that_this_test_knows() -> None:
    """A command that is added to the README must be run here, or be named with its reason."""
    firsts = [block.splitlines()[0].split("  #")[0].strip() for block in blocks()]
    assert firsts == [
        "make demo",
        "make test",
        ".venv/bin/sparkiot dev",
        "export KUBECONFIG=.cache/dev/kubeconfig",
        "export KUBECONFIG=.cache/dev/kubeconfig",
        EVALUATE,
    ]
    assert set(NOT_HERE) < set(firsts)


@pytest.mark.timeout(1200)
def test_the_readme_does_what_it_says(clone: Path, background: list[subprocess.Popen[bytes]]) -> None:
    demo, _, dev, operator, user, evaluate = blocks()
    said = shell(demo, clone)
    for promise in ("healthcare", "industrial", "smart-city", "RateAhead", "attainment", "kubectl"):
        assert promise in said
    assert (clone / "runs" / "demo" / "timeline.png").stat().st_size > 10_000

    for script in (dev, operator):
        background.append(
            subprocess.Popen(["bash", "-euc", script], cwd=clone, env=environment(), start_new_session=True)
        )
        wait_for((clone / ".cache" / "dev" / "kubeconfig").exists)
    assert "kubectl get sij -w" in user
    # The watch has no end of its own; everything else is run as it stands.
    before, after = re.split(r"^kubectl get sij -w.*$", user, maxsplit=1, flags=re.M)
    first_line = user.splitlines()[0]
    shell(before, clone)
    shell(f"{first_line}\nkubectl wait sij/healthcare --for=condition=Ready --timeout=120s", clone)
    table = shell(f"{first_line}\nkubectl get sij", clone)
    for column in ("PHASE", "EXECUTORS", "MEMORY", "TIER", "LATENCY", "ATTAINMENT", "COST/H", "AGE"):
        assert column in table
    assert "decided" in shell(f"{first_line}\n{after}", clone)
    shell(f"{first_line}\nkubectl wait sij/healthcare --for=jsonpath={{.status.replicas}}=5 --timeout=120s", clone)
    assert "RateAhead" in shell(evaluate, clone)


def wait_for(ready: Callable[[], bool], *, timeout_s: float = 120) -> None:
    until = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < until, "not ready in time"
        time.sleep(0.1)
