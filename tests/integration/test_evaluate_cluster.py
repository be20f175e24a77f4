"""``sparkiot evaluate-cluster`` on an embedded cluster: every decision of the operator is the offline one."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sparkiot_operator.cli import app


def test_the_cluster_decides_as_offline(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sparkiot_operator", "evaluate-cluster", "--embedded", "--to", str(tmp_path)]
    program = ("--policies", "default,HPA", "--workloads", "Healthcare", "--seeds", "3", "--duration", "12m")
    pace = ("--acceleration", "240", "--workers", "1", "-o", "json")
    done = subprocess.run([*command, *program, *pace], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["policy"] for row in rows] == ["default", "HPA"]
    for row in rows:
        # How many cycles were in time depends on the machine; what each decided does not.
        assert row["decisions"] > 10
        assert row["decisions"] + row["left_out"] >= 72
        assert (row["differing"], row["observed_otherwise"]) == (0, 0)
        assert row["cluster_cost_dollars"] > 0
    assert "2 of 2 jobs decided as offline: 0 of " in " ".join(done.stderr.split())
    with (tmp_path / "comparison.csv").open(newline="") as file:
        assert [row["differing"] for row in csv.DictReader(file)] == ["0", "0"]
    for where in ("cluster", "offline"):
        names = {path.name for path in (tmp_path / where).iterdir()}
        assert names == {"results.csv", "results.json", "results.md", "pareto.png", "timeline.png"}
    assert "| default-healthcare-300-cloud-coldstart-3 |" in (tmp_path / "comparison.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--policies", "Slots"), "its own fallback"),
        (("--policies", "nobody"), "nobody"),
        (("--signal", "poor"), "known: measured, none"),
        (("--embedded", "--audit", "."), "of its own"),
    ],
)
def test_wrong_usage_is_one_message(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["evaluate-cluster", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
