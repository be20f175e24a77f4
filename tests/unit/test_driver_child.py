"""One start of Spark as the supervisor sees it: how it ended, and its last words."""

import os
import time
from pathlib import Path

import pytest

from sparkiot_driver.child import Child

PATIENCE_S = 60.0


def ended(tmp_path: Path, script: str) -> tuple[Child, int]:
    """A child whose spark-submit is this shell script, once it has ended."""
    command = tmp_path / "spark" / "bin" / "spark-submit"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "SPARK_HOME": str(tmp_path / "spark")}
    child = Child(tmp_path / "spark.properties", ["main.py"], environ=environ, work=tmp_path)
    until = time.monotonic() + PATIENCE_S
    while (code := child.poll()) is None:
        assert time.monotonic() < until, "it does not end"
        time.sleep(0.02)
    return child, code


@pytest.mark.parametrize("code", [0, 1, 11])
def test_spark_giving_up_on_its_executors_is_heard_whatever_the_exit_code(tmp_path: Path, code: int) -> None:
    said = "26/11/26 10:04:20 ERROR ExecutorPodsAllocator: Max number of executor failures (2) reached"
    more = "for i in $(seq 200); do echo line $i >&2; done"
    child, found = ended(tmp_path, f"echo '{said}' >&2\n{more}\nexit {code}")
    assert (child.gave_up, found) == ("Max number of executor failures (2) reached", code)
    assert child.tail[-1] == "line 200"


def test_another_end_is_none_of_executors(tmp_path: Path) -> None:
    child, code = ended(tmp_path, "echo 'Max number of attempts reached' >&2\nexit 3")
    assert (child.gave_up, code, list(child.tail)) == (None, 3, ["Max number of attempts reached"])
