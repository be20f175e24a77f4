"""What the tutorial makes is what its next step needs: the job that sed writes, the load that a program writes."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from support_docs import ROOT, blocks, commands

from sparkiot_operator import landing
from sparkiot_operator.landing import Rate, write_landing
from sparkiot_operator.resource.spec import SparkIoTJobSpec

PAGE = ROOT / "docs" / "tutorial" / "from-nothing-to-a-live-job.md"
ROWS = 10 * 60 + 80 * 120 + 10 * 120


def test_the_job_that_sed_makes_is_valid_and_lies_in_the_folder_of_the_tutorial(tmp_path: Path) -> None:
    (command,) = [line for block in blocks(PAGE) for line in commands(block) if line.startswith("sed ")]
    edit, _, apply = command.rpartition("|")
    assert apply.split() == ["kubectl", "apply", "-f", "-"]
    source = edit.split()[-1]
    assert source.startswith("operator/")
    made = subprocess.run(
        ["bash", "-euc", edit.replace(source, str(ROOT / source))],
        env={**os.environ, "PWD": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    spec = SparkIoTJobSpec.model_validate(yaml.safe_load(made)["spec"])
    assert spec.application is not None
    assert f"--landing={tmp_path}/runs/city/landing" in spec.application.arguments
    assert spec.scaling.executors.max == 3
    assert "/var/lib" not in "".join(line for line in made.splitlines(keepends=True) if not line.startswith("#"))


def test_the_program_writes_the_load_that_the_text_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = [block for block in blocks(PAGE) if "write_landing" in block.text]
    program = block.text.split("<<'EOF' &\n")[1].split("\nEOF\n")[0]

    class Quick:
        """A stop event whose waiting moves a clock."""

        now = 0.0

        def wait(self, seconds: float) -> None:
            Quick.now += seconds

        def is_set(self) -> bool:
            return False

    def at_once(folder: Path, rate: Rate, seconds: float) -> int:
        stop: object = Quick()
        return write_landing(folder, rate, seconds, stop=stop, clock=lambda: Quick.now)  # type: ignore[arg-type]  # all that it uses

    monkeypatch.setattr(landing, "write_landing", at_once)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == f"{ROWS} rows written\n"
    rows = sum(len(file.read_text().splitlines()) for file in Path("runs/city/landing").glob("rows-*.json"))
    assert rows == ROWS
