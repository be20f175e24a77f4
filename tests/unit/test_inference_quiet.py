"""Loading a policy leaves nothing at home and tells nobody: the runtime's own telemetry is off."""

import os
import subprocess
import sys
from pathlib import Path

LOAD = "import sparkiot_policies.inference"


def test_the_runtime_of_policies_keeps_no_identity(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    # On a build server it is silent anyway, so none of the marks of one may be there.
    silent = {
        name for name in kept if name.startswith(("ORT_", "GITHUB_", "GITLAB_", "JENKINS_", "BUILD_", "TF_BUILD"))
    }
    environment = {name: value for name, value in kept.items() if name not in silent} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "telemetry" not in done.stderr
    assert list(tmp_path.rglob("*")) == []
