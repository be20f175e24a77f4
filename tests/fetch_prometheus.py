"""Bring Prometheus and promtool, which metrics, rules and dashboard are tested with: `python tests/fetch_prometheus.py
FOLDER` writes FOLDER/prometheus and FOLDER/promtool.

They are taken from the distribution's own package, with apt, its keys and mirrors, but into a folder of ours: no root,
and nothing is installed. No package of PyPI or npm carries them. Where apt cannot, the tests that need them are
skipped; in CI that is an error.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "prometheus"
BINARIES = ("prometheus", "promtool")


def fetch(target: Path) -> None:
    """Raises subprocess.CalledProcessError when apt cannot, OSError where there is none."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        (work / "state" / "status").touch()
        own = {
            "Dir::State": work / "state",
            "Dir::State::status": work / "state" / "status",
            "Dir::Cache": work / "cache",
        }
        # Without a user of apt's own to give rights up for, and without locks: the folder is nobody else's.
        options = [
            f"-o={key}={value}" for key, value in {**own, "APT::Sandbox::User": "", "Debug::NoLocking": 1}.items()
        ]
        for command in ("update", "download"):
            what = [PACKAGE] if command == "download" else []
            subprocess.run(["apt-get", "--quiet=2", *options, command, *what], cwd=work, check=True)
        (archive,) = work.glob(f"{PACKAGE}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(work / "tree")], check=True)
        target.mkdir(parents=True, exist_ok=True)
        for binary in BINARIES:
            shutil.copy(work / "tree" / "usr" / "bin" / binary, target / binary)


if __name__ == "__main__":
    try:
        fetch(Path(sys.argv[1]))
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        print(f"Prometheus was not brought ({error}): tests that need it are skipped unless it is on the path")
