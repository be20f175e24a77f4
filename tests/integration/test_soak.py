"""A short soak: it runs, looks at everything, and finds nothing wrong."""

import csv
import os
import subprocess
import sys
from pathlib import Path

JOBS = 10
TESTS = Path(__file__).parents[1]


def test_ten_jobs_for_a_moment(tmp_path: Path) -> None:
    command = ("run", "--minutes", "0.3", "--jobs", str(JOBS), "--sample", "3", "--action", "1", "--to", str(tmp_path))
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", "soak", *command],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "samples.csv").open(newline="") as file:
        samples = list(csv.DictReader(file))
    assert len(samples) >= 2
    assert float(samples[-1]["decisions"]) > JOBS
    assert any(float(sample["compared"]) > 0 for sample in samples)
    with (tmp_path / "actions.csv").open(newline="") as file:
        actions = list(csv.DictReader(file))
    assert actions
    assert not [action for action in actions if action["what"].startswith("failed")]
    assert "| undecided |" in (tmp_path / "report.md").read_text()  # so short a run says nothing of growth
    assert (tmp_path / "soak.png").exists()
