"""The commands of evaluate-a-policy.md about one job, literally, on a shorter time."""

from pathlib import Path

import pytest
from support_docs import ROOT, blocks, commands
from typer.testing import CliRunner

from sparkiot_operator.audit import read_audit
from sparkiot_operator.cli import app

PAGE = ROOT / "docs" / "how-to" / "evaluate-a-policy.md"
WRITTEN, LOGGED, SHORT = "--duration 6h", "--duration 4h", "--duration 20m"


def command(name: str, option: str) -> list[str]:
    """Arguments of the one command of this name with an option that the page says this test runs."""
    (found,) = [
        line
        for block in blocks(PAGE)
        if block.mark and block.mark[0] == "run by"
        for line in commands(block)
        if line.startswith(f"sparkiot {name} ") and option in line.split()
    ]
    return found.split()[1:]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's job in an empty folder, which is the current one."""
    (text,) = [block.text for block in blocks(PAGE) if block.text.startswith("# job.yaml")]
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "job.yaml"
    file.write_text(text)
    return file


def test_the_pages_job_is_simulated_by_the_pages_command(job: Path) -> None:
    arguments = " ".join(command("simulate", "--csv"))
    assert WRITTEN in arguments
    result = CliRunner().invoke(app, arguments.replace(WRITTEN, SHORT).split())
    assert result.exit_code == 0, result.output
    assert "RateAhead" in result.output
    header, *rows = Path("decisions.csv").read_text().splitlines()
    assert {"reason", "clamps"} <= set(header.split(","))
    assert len(rows) > 20
    assert Path("timeline.png").stat().st_size > 10_000


def test_what_happened_is_decided_again_by_the_pages_command(job: Path) -> None:
    assert job.exists()
    written = " ".join(command("simulate", "--audit"))
    assert LOGGED in written
    result = CliRunner().invoke(app, written.replace(LOGGED, SHORT).split())
    assert result.exit_code == 0, result.output
    recorded = len(list(read_audit([Path("audit")])))
    assert recorded == 120
    result = CliRunner().invoke(app, command("replay", "--png"))
    assert result.exit_code == 0, result.output
    for policy in ("RateAhead", "Rate:utilization=0.7"):
        assert f"{policy}: {recorded} decisions" in result.output
    assert "default/pumps in the simulator" in result.output
    assert Path("outcome.png").stat().st_size > 10_000
