"""The commands of evaluate-a-policy.md about one job, literally, on a shorter time and a small audit log."""

from pathlib import Path

import pytest
from support_docs import ROOT, blocks, commands
from typer.testing import CliRunner

from sparkiot_operator.audit import AuditLog, AuditRecord
from sparkiot_operator.cli import app
from sparkiot_operator.events import JobRef
from sparkiot_operator.offline import load_job, load_workload, play

PAGE = ROOT / "docs" / "how-to" / "evaluate-a-policy.md"
WRITTEN, SHORT = "--duration 6h", "--duration 20m"


def command(name: str) -> list[str]:
    """Arguments of the one command of this name that the page says this test runs."""
    (found,) = [
        line
        for block in blocks(PAGE)
        if block.mark and block.mark[0] == "run by"
        for line in commands(block)
        if line.startswith(f"sparkiot {name} ")
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
    arguments = " ".join(command("simulate"))
    assert WRITTEN in arguments
    result = CliRunner().invoke(app, arguments.replace(WRITTEN, SHORT).split())
    assert result.exit_code == 0, result.output
    assert "RateAhead" in result.output
    header, *rows = Path("decisions.csv").read_text().splitlines()
    assert {"reason", "clamps"} <= set(header.split(","))
    assert len(rows) > 20
    assert Path("timeline.png").stat().st_size > 10_000


def test_what_happened_is_decided_again_by_the_pages_command(job: Path) -> None:
    loaded = load_job(job)
    run = play(loaded, load_workload(loaded, trace=None, mean_rate=None), policy="Rate", duration_s=1200, origin=0.0)
    log = AuditLog(Path("audit"), max_bytes=10**9, files=1)
    for cycle in run.episode.cycles:
        log.write(AuditRecord(JobRef("iot", "pumps", "uid"), 1, loaded.job, cycle.evaluation, cycle.decision))
    log.close()
    result = CliRunner().invoke(app, command("replay"))
    assert result.exit_code == 0, result.output
    assert f"{len(run.episode.cycles)} decisions" in result.output
