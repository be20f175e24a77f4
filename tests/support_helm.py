"""The real helm binaries, Helm 3 and Helm 4, and what they make of the chart."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

Json = dict[str, Any]
ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "sparkiot"
BINARIES = ROOT / ".cache" / "helm"
RELEASES = ("3", "4")
MONITORING = tuple(f"monitoring.coreos.com/v1/{kind}" for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"))
COMMAND_S = 120.0
"""How long helm may take: only lest a test hangs."""


class Helm:
    """One binary with a home of its own. kubeconfig: None where no cluster is asked."""

    def __init__(self, release: str, home: Path, kubeconfig: Path | None = None) -> None:
        self.release = release
        self._binary = helm_binary(release)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        self._env = {**kept, "HOME": str(home), "KUBECONFIG": str(kubeconfig or home / "none")}

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        given = ("--values", "-") if values is not None else ()
        return subprocess.run(
            [str(self._binary), *arguments, *given],
            input=json.dumps(values) if values is not None else None,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    def __call__(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        done = self.run(*arguments, values=values)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def template(self, values: Mapping[str, Any], *flags: str, apis: tuple[str, ...] = MONITORING) -> list[Json]:
        """The rendered objects, in a cluster that has ``apis`` besides its own."""
        has = [word for api in apis for word in ("--api-versions", api)]
        text = self("template", "sparkiot", str(CHART), "--namespace", "sparkiot", *has, *flags, values=values)
        return [document for document in yaml.safe_load_all(text) if document]


def helm_binary(release: str) -> Path:
    """The binary of a release. Skips the test where there is none; in CI there must be one."""
    found = BINARIES / release
    if found.exists():
        return found
    reason = f"{found} is missing: make .cache/helm/.done"
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the packages that bring helm hold it for Linux on x86-64 only")
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def by_kind(objects: list[Json], kind: str) -> list[Json]:
    return [found for found in objects if found["kind"] == kind]


def only(objects: list[Json], kind: str) -> Json:
    (found,) = by_kind(objects, kind)
    return found
