"""The command as a user runs it: output for people and machines, files, exit codes, one clear line for every error."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sparkiot_operator.audit import AuditLog, AuditRecord
from sparkiot_operator.events import JobRef
from sparkiot_operator.offline import load_job, load_workload, play

EXAMPLES = Path(__file__).parents[2] / "operator" / "sparkiot_operator" / "examples"
HEALTHCARE = str(EXAMPLES / "healthcare.yaml")
INTERVAL_S = load_job(EXAMPLES / "healthcare.yaml").job.interval_s
HOURS = 3
DECISIONS = int(HOURS * 3600 / INTERVAL_S)
PNG = b"\x89PNG\r\n\x1a\n"


def sparkiot(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparkiot_operator", *arguments]
    clean = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=clean)


def one_line_error(result: subprocess.CompletedProcess[str]) -> str:
    """The message of a command that failed: never a traceback."""
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr.strip()


def test_help_lists_every_command() -> None:
    text = sparkiot("--help").stdout
    for command in ("demo", "dev", "operator", "simulate", "tournament", "policy", "replay", "explain", "top"):
        assert f" {command} " in text


def test_version() -> None:
    assert sparkiot("--version").stdout.strip()[0].isdigit()


def test_simulate_writes_table_csv_and_picture(tmp_path: Path) -> None:
    table, picture = tmp_path / "out" / "rows.csv", tmp_path / "out" / "run.png"
    policies = ("--policy", "Rate", "--policy", "RateAhead")
    result = sparkiot("simulate", HEALTHCARE, *policies, "--duration", "1h", "--csv", str(table), "--png", str(picture))
    assert result.returncode == 0, result.stderr
    assert "RateAhead" in result.stdout
    rows = list(csv.DictReader(table.open()))
    assert {row["policy"] for row in rows} == {"Rate", "RateAhead"}
    assert len(rows) == 2 * 3600 / INTERVAL_S
    assert picture.read_bytes().startswith(PNG)


def test_simulate_for_machines_and_with_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "load.csv"
    trace.write_text("timestamp,value\n" + "".join(f"{60 * i},{100 + i % 7}\n" for i in range(60)))
    options = ("--trace", str(trace), "--mean-rate", "200", "--policy", "Rate", "--output", "json")
    (row,) = json.loads(sparkiot("simulate", HEALTHCARE, *options).stdout)
    assert row["policy"] == "Rate"
    assert row["cycles"] == 3600 / INTERVAL_S
    assert 0 <= row["slo_attainment"] <= 1
    assert row["cost_dollars"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["simulate", "absent.yaml"], 1, "absent.yaml: cannot be read"),
        (["simulate", HEALTHCARE, "--policy", "Sage"], 1, "Sage"),
        (["simulate", HEALTHCARE, "--trace", "absent.csv"], 1, "absent.csv"),
        (["simulate", HEALTHCARE, "--duration", "soon"], 2, "soon"),
        (
            ["simulate", HEALTHCARE, "--csv", "/proc/none/x.csv", "--duration", "10m", "--policy", "Rate"],
            1,
            "/proc/none",
        ),
        (["replay", "absent", "--policy", "Rate"], 1, "absent: does not exist"),
        (["explain", "job", "--audit", "absent"], 1, "absent: does not exist"),
        (["top", "--once"], 78, ".kube/config does not exist"),
        (["top", "--once", "--kubeconfig", "absent"], 78, "absent does not exist"),
        (["operator"], 2, "namespace"),
        (["operator", "--all-namespaces", "--kubeconfig", "absent"], 78, "absent does not exist"),
        (["demo", "--trace", "absent.csv"], 1, "absent.csv"),
    ],
)
def test_errors_are_one_message_and_an_exit_code(arguments: list[str], code: int, message: str) -> None:
    result = sparkiot(*arguments)
    assert result.returncode == code, result.stderr
    assert message in one_line_error(result)


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    job = load_job(EXAMPLES / "healthcare.yaml")
    load = load_workload(job, trace=None, mean_rate=None)
    run = play(job, load, policy="Rate", duration_s=HOURS * 3600, origin=0.0)
    folder = tmp_path_factory.mktemp("audit")
    log = AuditLog(folder, max_bytes=10**9, files=1)
    for cycle in run.episode.cycles:
        log.write(AuditRecord(JobRef("iot", "healthcare", "uid"), 1, job.job, cycle.evaluation, cycle.decision))
    log.close()
    return folder


def test_replay_compares_policies_and_asks_the_simulator(audit: Path, tmp_path: Path) -> None:
    png = tmp_path / "front.png"
    arguments = ("--policy", "Rate", "--policy", "Fixed:executors=12", "--limit", "5", "--png", str(png))
    result = json.loads(sparkiot("replay", str(audit), *arguments, "-o", "json").stdout)
    same, fixed = result["policies"]
    assert (same["policy"], same["decisions"], same["different"], same["largest"]) == ("Rate", DECISIONS, 0, [])
    assert same["executor_hours_recorded"] == same["executor_hours_replayed"] > 0
    assert set(fixed["kinds"]) == {"more executors", "fewer executors"}
    assert fixed["different"] == sum(fixed["kinds"].values()) > 0
    assert len(fixed["largest"]) == 5
    (model,) = result["model"]
    assert model["job"] == "iot/healthcare"
    assert model["policies"]["Fixed:executors=12"]["cost_dollars"] > model["policies"]["Rate"]["cost_dollars"]
    assert model["reality"]["looks"] == DECISIONS - 1
    assert png.read_bytes().startswith(PNG)


def test_replay_for_people(audit: Path) -> None:
    result = sparkiot("replay", str(audit), "--policy", "Fixed", "--limit", "5")
    assert result.returncode == 0, result.stderr
    for part in (
        f"Fixed: {DECISIONS} decisions",
        "more executors",
        "recorded, in the model",
        "median error of a batch",
    ):
        assert part in result.stdout
    quick = sparkiot("replay", str(audit), "--policy", "Fixed", "--limit", "0", "--no-model")
    assert "in the model" not in quick.stdout
    assert "where Fixed would differ" not in quick.stdout


def test_replay_names_a_corrupt_line(audit: Path, tmp_path: Path) -> None:
    lines = (audit / "decisions.jsonl").read_text().splitlines(keepends=True)
    broken = tmp_path / "decisions.jsonl"
    broken.write_text(lines[0] + '{"schema": 1}\n' + lines[1])
    assert f"{broken}:2" in one_line_error(sparkiot("replay", str(broken), "--policy", "Rate"))


def test_explain_from_the_audit_log(audit: Path) -> None:
    arguments = ("explain", "healthcare", "-n", "iot", "--last", "1", "--changes", "--audit", str(audit))
    text = sparkiot(*arguments).stdout
    for part in ("proposed", "decided", "workload_rate", "messages/s", "policy", "Rate (builtin)", "effect: on the "):
        assert part in text
    (decision,) = json.loads(sparkiot(*arguments, "-o", "json").stdout)
    assert decision["previous"] != decision["allocation"]
    assert decision["explained"] == "executors"
    assert sum(decision["causes"].values()) == pytest.approx(sum(decision["effects"].values()))
    assert decision["why"] in " ".join(text.split())
    assert "no decision of iot/other" in one_line_error(
        sparkiot("explain", "other", "-n", "iot", "--audit", str(audit))
    )


def test_the_demo_ends_by_itself_and_keeps_what_it_made(tmp_path: Path) -> None:
    """The real thing, shortened: embedded cluster, operator and jobs as processes, half an hour of load."""
    folder = tmp_path / "demo"
    trace = tmp_path / "load.csv"
    trace.write_text("timestamp,value\n" + "".join(f"{60 * i},{100 + 80 * (i % 20 > 15)}\n" for i in range(120)))
    arguments = ("--duration", "30m", "--acceleration", "600", "--folder", str(folder), "--trace", str(trace))
    result = sparkiot("demo", *arguments, "-o", "json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout[result.stdout.index("[\n") :])
    assert {(row["job"], row["policy"]) for row in rows} == {
        (job, policy)
        for job in ("healthcare", "industrial", "smart-city")
        for policy in ("default", "HPA", "RateAhead")
    }
    live = [row for row in rows if row["where"] == "operator"]
    assert all(0 < row["attainment"] <= 1 and row["cost_dollars"] > 0 for row in live)
    assert (folder / "timeline.png").read_bytes().startswith(PNG)
    assert "kubectl" in result.stderr
    explained = sparkiot("explain", "smart-city", "-n", "iot", "--audit", str(folder / "audit"))
    assert "decided" in explained.stdout
