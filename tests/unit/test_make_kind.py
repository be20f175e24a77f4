"""The targets for kind, by a dry run: what they would call, in which order, and that it is a shell's language.

Neither Docker nor kind is here; what the targets call beyond those two is tested where it lives.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="needs make")


def dry(tmp_path: Path, *targets: str) -> str:
    """What make would run; make itself runs sub-makes, which are dry too. The environment counts as set up."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    for name in ("bin/python", ".runtime", ".spark", ".dev"):
        (venv / name).touch()
    arguments = [str(MAKE), "--dry-run", "--no-print-directory", f"VENV={venv}", *targets]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    # A sub-make reads what it shall not do from MAKEFLAGS, which a dry run passes on.
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    parsed = subprocess.run(["bash", "-n"], input=done.stdout, capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr
    return done.stdout


def in_order(text: str, *parts: str) -> None:
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} does not come after what precedes it in:\n{text}"
        at = found + len(part)


def test_kind_from_nothing_to_a_comparison(tmp_path: Path) -> None:
    in_order(
        dry(tmp_path, "kind-up", "kind-load", "kind-eval", "kind-down"),
        "kind create cluster --name sparkiot --config -",
        "docker build -f operator/images/operator.Dockerfile -t sparkiot-operator:dev .",
        "kind load docker-image --name sparkiot sparkiot-operator:dev",
        "kind get kubeconfig --name sparkiot >.cache/kind",
        "helm upgrade --install sparkiot charts/sparkiot --kubeconfig .cache/kind --namespace sparkiot",
        "--set image.repository=sparkiot-operator --set image.tag=dev --set audit.enabled=true",
        f"KUBECONFIG={ROOT}/.cache/kind ",
        "/bin/sparkiot evaluate-cluster",
        "kind delete cluster --name sparkiot",
    )


def test_the_live_tests_on_kind(tmp_path: Path) -> None:
    in_order(
        dry(tmp_path, "kind-test"),
        "kind get kubeconfig --name sparkiot >.cache/kind",
        "server: https://127.0.0.1:6443",
        "SPARKIOT_OPERATOR_IMAGE=sparkiot-operator:dev",
        "sudo nsenter --net --target",
        "-m pytest tests/cluster",
    )


def test_an_evaluation_takes_options_and_needs_a_cluster(tmp_path: Path) -> None:
    text = dry(tmp_path, "cluster-eval", "ARGS=--seeds 1-3")
    assert "KUBECONFIG:?" in text
    assert "/bin/sparkiot evaluate-cluster --seeds 1-3" in text
