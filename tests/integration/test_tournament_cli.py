"""``sparkiot tournament`` as a user runs it: files, both outputs, and one clear message for every mistake."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sparkiot_operator.cli import app
from sparkiot_policies.library import shipped
from sparkiot_policies.objectives import SCENARIO_WEIGHTS

SERIES = Path(__file__).parents[2].parent / "shared" / "traces"
PNG = b"\x89PNG\r\n\x1a\n"


def tournament(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparkiot_operator", "tournament", *arguments]
    # Nothing of the caller's environment but the code under test.
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)


def test_a_tournament_over_generators_and_recordings(tmp_path: Path) -> None:
    traces, folder = tmp_path / "traces", tmp_path / "out"
    traces.mkdir()
    # A gap of four steps, which a recording may have and a user should hear of.
    rows = "".join(f"{60 * i},{100 + i % 7}\n" for i in range(90) if not 10 < i < 15)
    (traces / "pumps.csv").write_text("timestamp,value\n" + rows)
    result = tournament(
        *("--policies", "Rate,HPA", "--workloads", "SmartCity", "--traces", str(traces), "--mean-rate", "100,200"),
        *("--presets", "edge-small", "--seeds", "1,3-4", "--duration", "10m", "--to", str(folder), "-o", "json"),
    )
    assert result.returncode == 0, result.stderr
    assert "pumps.csv: 1 gaps" in result.stderr
    table = json.loads(result.stdout)
    assert [(row["policy"], row["workload"], row["mean_rate"]) for row in table] == [
        (policy, workload, rate)
        for workload in ("SmartCity", "pumps")
        for rate in (100, 200)
        for policy in ("Rate", "HPA", "oracle")
    ]
    for row in table:
        assert (row["preset"], row["seeds"], row["fallback_share"]) == ("edge-small", 3, 0.0)
        assert row["violations_percent"] == pytest.approx(100 * (1 - row["slo_attainment"]))
        low, high = row["cost_dollars_ci95"]
        assert low <= row["cost_dollars"] <= high
        assert sum(row[f"tier_{tier}"] for tier in ("hot", "warm", "cold", "archive")) == pytest.approx(1.0)
        if row["policy"] == "oracle":
            assert (row["oracle_ratio"], row["oracle_gap_points"], row["latency_p95_ms"]) == (1.0, 0.0, None)
            continue
        assert row["oracle_ratio"] >= 1.0
        assert row["oracle_gap_points"] >= 0.0
        assert 0 < row["latency_p50_ms"] <= row["latency_p95_ms"] <= row["latency_p99_ms"]
    assert json.loads((folder / "results.json").read_text())["rows"] == table
    lines = list(csv.DictReader((folder / "results.csv").open()))
    assert [line["seed"] for line in lines[:3]] == ["1", "3", "4"]
    assert len(lines) == 3 * len(table)
    assert "pumps" in (folder / "results.md").read_text()
    for picture in ("pareto.png", "timeline.png"):
        assert (folder / picture).read_bytes().startswith(PNG)


def test_the_table_for_people(tmp_path: Path) -> None:
    result = tournament(
        *("--policies", "Fixed", "--workloads", "Industrial", "--seeds", "1-2", "--duration", "5m"),
        *("--signal", "none", "--workers", "1", "--no-oracle", "--to", str(tmp_path)),
    )
    assert result.returncode == 0, result.stderr
    assert {line["policy"] for line in csv.DictReader((tmp_path / "results.csv").open())} == {"Fixed"}
    for part in ("Industrial, 300 messages/s, cloud-coldstart", "Fixed", "attainment", "fallback", "Student's t"):
        assert part in result.stdout
    assert "signals: none" in (tmp_path / "results.md").read_text()


SHORT = ("--workloads", "Healthcare", "--seeds", "1", "--duration", "5m", "--workers", "1")


@pytest.mark.skipif(not SERIES.is_dir(), reason="no ../shared/traces beside the checkout")
def test_real_series_at_several_rates(tmp_path: Path) -> None:
    arguments = ["--traces", str(SERIES), "--mean-rate", "100,300", "--policies", "default", "--seeds", "1"]
    result = CliRunner().invoke(app, ["tournament", *arguments, "--duration", "10m", "--to", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    document = json.loads((tmp_path / "results.json").read_text())
    names = [path.stem for path in sorted(SERIES.glob("*.csv"))]
    rows = [row for row in document["rows"] if row["policy"] == "default"]
    assert [(row["workload"], row["mean_rate"]) for row in rows] == [(name, r) for name in names for r in (100, 300)]
    worst = min(rows, key=lambda row: row["slo_attainment"])
    overall = document["overall"][0]
    assert (overall["worst"]["workload"], overall["worst"]["mean_rate"]) == (worst["workload"], worst["mean_rate"])
    for row in rows:
        assert row["fallback_share"] < 0.05
        assert row["oracle_ratio"] >= 1.0


def test_a_sweep_compares_fronts(tmp_path: Path) -> None:
    arguments = ["tournament", "--policies", "default,HPA", "--sweep", *SHORT, "--to", str(tmp_path), "-o", "json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert {row["policy"].partition(":")[0] for row in found["rows"]} == {"default", "HPA", "oracle"}
    assert [(row["policy"], row["rival"]) for row in found["fronts"]] == [("default", "HPA"), ("default", "best rival")]
    assert [row["lines"] for row in found["fronts_overall"]] == [1, 1]
    assert "## Fronts, over all workloads" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "fronts.png").read_bytes().startswith(PNG)


def test_ablations_in_one_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["tournament", "--ablations", *SHORT, "--to", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    for part in ("without edge signals", "three intervals late", "fixed equal weights", "5.20"):
        assert part in " ".join(result.stdout.split())
    assert len(json.loads((tmp_path / "results.json").read_text())["ablations"]) == 9


def test_objectives_that_shift(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["tournament", "--shifting", *SHORT, "--to", str(tmp_path), "-o", "json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    names = ["meta-controller", "HealthcareCritical", "IndustrialHighThroughput", "SmartCityBudget", "Balanced"]
    assert [row["policy"] for row in found["rows"]] == names
    assert [row["policy"] for row in found["shifting"]] == names
    lines = list(csv.DictReader((tmp_path / "results.csv").open()))
    # Seed 1 begins at night, and five minutes see no day.
    assert float(lines[1]["weights_night_latency"]) == pytest.approx(0.8)
    assert (lines[1]["weights_day_latency"], found["shifting"][1]["attainment_day"]) == ("", None)
    assert "Objectives that shift" in (tmp_path / "results.md").read_text()


def test_the_thesis_arena_beside_its_published_figures(tmp_path: Path) -> None:
    result = tournament("--arena", "thesis", "--seeds", "1-2", "--to", str(tmp_path), "-o", "json")
    assert result.returncode == 0, result.stderr
    table = {row["policy"]: row for row in json.loads(result.stdout)}
    learned = ["thesis"] if "thesis" in shipped() else []
    assert list(table) == ["Fixed", "Dexter", "Seer", *learned, "limit, shuffle known", "limit, shuffle worst"]
    assert table["Dexter"]["published"] == {
        "violations_percent": 54.4,
        "cost_dollars": 2994,
        "latency_p95_ms": 1159,
    }
    assert table["limit, shuffle worst"]["remeasured"]["cost_dollars"] == 2599
    assert "published" not in table["limit, shuffle worst"]
    assert table["limit, shuffle worst"]["limit_ratio"] == 1.0
    low, high = table["Dexter"]["violations_percent_ci95"]
    assert 0 <= low < table["Dexter"]["violations_percent"] < high <= 100
    assert table["limit, shuffle worst"]["step_200_to_800"]["ahead"] is True
    assert table["Dexter"]["step_200_to_800"]["violations"] > 0
    assert table["Dexter"]["cost_dollars"] == pytest.approx(2994, rel=0.02)
    meta, *fixed, best, bound = table["thesis"]["meta_controller"]
    assert (meta["weights_by"], meta["published_percent"]) == ("meta-controller", 5.2)
    assert meta["gain_percent_ci95"][0] > 5.2
    assert {row["weights_by"] for row in fixed} == {scenario.value for scenario in SCENARIO_WEIGHTS}
    assert max(row["global_reward"] for row in [meta, *fixed, best]) <= bound["global_reward"]
    assert bound["cost_dollars"] is None
    lines = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [line["policy"] for line in lines] == list(table)
    assert "| Seer |" in (tmp_path / "results.md").read_text()
    assert json.loads((tmp_path / "results.json").read_text())["rows"] == list(table.values())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--policies", "Sage"], 1, "Sage: neither a path nor the name of a shipped artifact"),
        (["--policies", "default:weights=Cheap"], 1, "scenario 'Cheap' is unknown"),
        (["--policies", "Rate,"], 2, "empty name"),
        (["--sweep", "--ablations"], 2, "another study than --sweep"),
        (["--ablations", "--policies", "default,Rate"], 2, "this study is of one learned policy"),
        (["--shifting", "--policies", "default:weights=Balanced"], 2, "sets its reward weights itself"),
        (["--arena", "thesis", "--no-oracle"], 2, "no meaning in the thesis arena"),
        (["--arena", "thesis", "--sweep"], 2, "no meaning in the thesis arena"),
        (["--policies", "Rate,Rate"], 2, "Rate occurs twice"),
        (["--seeds", "5-1"], 2, "runs backwards"),
        (["--seeds", "one"], 2, "whole numbers and ranges"),
        (["--seeds", "1-3,2"], 2, "seed 2 occurs twice"),
        (["--seeds", "1-9999999"], 2, "more than 1000 seeds"),
        (["--presets", "moon"], 2, "'moon' is unknown"),
        (["--workloads", "Village"], 2, "'Village' is unknown"),
        (["--signal", "loud"], 2, "'loud' is unknown"),
        (["--mean-rate", "0"], 2, "rates above 0"),
        (["--duration", "5s"], 2, "shorter than one decision"),
        (["--traces", "absent"], 1, "absent: does not exist"),
        (["--traces", "{empty}"], 1, "holds no .csv file"),
        (["--traces", "{broken}"], 1, "night.csv, line 3: value 'lots' is not a number"),
        (["--policies", "Rate", "--to", "/proc/none"], 1, "/proc/none cannot be written"),
        (["--arena", "thesis", "--presets", "spot"], 2, "no meaning in the thesis arena"),
        (["--arena", "thesis", "--policies", "HPA"], 1, "HPA needs running, pending"),
    ],
)
def test_a_mistake_is_one_message_and_an_exit_code(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    for folder in (empty, broken):
        folder.mkdir()
    (broken / "night.csv").write_text("timestamp,value\n0,1\n60,lots\n")
    given = [part.format(empty=empty, broken=broken) for part in arguments]
    # In this process: a dozen starts of the interpreter would test nothing more.
    result = CliRunner().invoke(app, ["tournament", "--to", str(tmp_path), *given])
    assert result.exit_code == code, result.stderr
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not list(tmp_path.glob("results.*"))
