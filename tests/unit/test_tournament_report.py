"""Means, intervals and files of a tournament, on figures that can be checked by hand."""

import csv
import json
import math
from functools import partial
from pathlib import Path

import pytest
from support_tournament import result

from sparkiot_sim.generators import Kind
from sparkiot_sim.tournament.entry import ORACLE, Entry
from sparkiot_sim.tournament.matches import Load, Tournament
from sparkiot_sim.tournament.pictures import pareto, timelines
from sparkiot_sim.tournament.report import write
from sparkiot_sim.tournament.sections import over_all
from sparkiot_sim.tournament.statistics import estimate, overall, rows, t_quantile

PNG = b"\x89PNG\r\n\x1a\n"
TOURNAMENT = Tournament(
    entries=(Entry.of("Rate"), Entry.of("HPA")),
    loads=(Load(source=Kind.SMART_CITY, mean_rate=300.0), Load(source=Kind.HEALTHCARE, mean_rate=300.0)),
    seeds=(1, 2),
    duration_s=7200.0,
)


RESULTS = [
    result("Rate", "SmartCity", 1, attainment=0.98, cost=3.0),
    result("Rate", "SmartCity", 2, attainment=0.96, cost=5.0),
    result("HPA", "SmartCity", 1, attainment=0.5),
    result("HPA", "SmartCity", 2, attainment=0.7),
    result("Rate", "Healthcare", 1, attainment=1.0),
    result("Rate", "Healthcare", 2, attainment=1.0),
    result("HPA", "Healthcare", 1, attainment=0.9),
    result("HPA", "Healthcare", 2, attainment=math.nan),
]


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (9, 2.262), (11, 2.201), (15, 2.131), (20, 2.086), (60, 2.000), (999, 1.962)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=6e-4)


def test_an_interval_by_hand() -> None:
    # mean 2, standard deviation 1, standard error 1/sqrt(3), t with 2 degrees of freedom 4.303
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.303 / math.sqrt(3))
    assert found.interval == (0.0, pytest.approx(2.0 + 4.303 / math.sqrt(3)))
    assert estimate([0.9, 1.0], highest=1.0).interval == (pytest.approx(0.95 - 12.706 * 0.05), 1.0)


def test_one_seed_has_no_interval_and_a_missing_value_no_mean() -> None:
    assert estimate([4.0]).interval is None
    missing = estimate([4.0, math.nan])
    assert math.isnan(missing.mean)
    assert missing.interval is None


def test_rows_are_means_over_seeds() -> None:
    table = rows(RESULTS)
    assert [(row.policy, row.workload, row.seeds) for row in table] == [
        ("Rate", "SmartCity", 2),
        ("HPA", "SmartCity", 2),
        ("Rate", "Healthcare", 2),
        ("HPA", "Healthcare", 2),
    ]
    row = table[0].to_dict()
    assert (row["slo_attainment"], row["violations_percent"]) == (pytest.approx(0.97), pytest.approx(3.0))
    # Two values a and b: half of their distance, times t with one degree of freedom.
    assert row["cost_dollars"] == 4.0
    assert row["cost_dollars_ci95"] == (0.0, pytest.approx(4.0 + 12.706))
    assert (row["scalings_per_hour"], row["fallback_share"]) == (1.5, 0.25)


def test_the_oracle_is_what_costs_are_held_against() -> None:
    """Seed by seed: 3 and 5 dollars against 2 and 4 are 1.5 and 1.25 times."""
    oracle = [result(ORACLE, "SmartCity", seed, attainment=1.0, cost=2.0 * seed) for seed in (1, 2)]
    rate, hpa, limit = rows([*RESULTS[:4], *oracle])
    assert rate.mean("oracle_ratio") == pytest.approx(1.375)
    assert hpa.mean("oracle_ratio") == pytest.approx((2 / 2 + 2 / 4) / 2)
    assert (limit.policy, limit.mean("oracle_ratio")) == (ORACLE, 1.0)


def test_what_some_matches_could_not_measure_is_the_mean_of_the_others() -> None:
    row = rows(RESULTS)[0]
    assert (row.mean("hot_data_on_fast"), row.mean("cold_data_on_fast")) == (1.0, 0.5)


def test_the_worst_workload_is_named() -> None:
    rate, _ = overall(rows(RESULTS[:6]))
    assert (rate.slo_attainment, rate.worst_slo_attainment) == (pytest.approx(0.985), pytest.approx(0.97))
    assert rate.worst == ("SmartCity", 300.0, "cloud-coldstart")
    assert rate.cost_dollars == pytest.approx(3.0)


def test_a_workload_without_a_measurement_is_the_worst_of_all() -> None:
    _, hpa = overall(rows(RESULTS))
    assert math.isnan(hpa.worst_slo_attainment)
    assert hpa.worst[0] == "Healthcare"


def test_files(tmp_path: Path) -> None:
    table = rows(RESULTS)
    drawn = {"pareto.png": partial(pareto, table, RESULTS), "timeline.png": partial(timelines, RESULTS)}
    write(tmp_path, TOURNAMENT, RESULTS, sections=[over_all(table)], pictures=drawn)
    lines = list(csv.DictReader((tmp_path / "results.csv").open()))
    assert [(line["policy"], line["workload"], line["seed"]) for line in lines[:3]] == [
        ("Rate", "SmartCity", "1"),
        ("Rate", "SmartCity", "2"),
        ("HPA", "SmartCity", "1"),
    ]
    assert len(lines) == len(RESULTS)
    assert lines[-1]["slo_attainment"] == ""
    document = json.loads((tmp_path / "results.json").read_text())
    assert (document["signal"], document["seeds"], document["duration_hours"]) == ("measured", [1, 2], 2.0)
    assert document["rows"][3]["slo_attainment"] is None
    assert document["rows"][0]["cost_dollars"] == 4.0
    assert document["rows"][0]["oracle_ratio"] is None
    assert document["overall"][0]["worst"] == {
        "workload": "SmartCity",
        "mean_rate": 300.0,
        "preset": "cloud-coldstart",
    }
    text = (tmp_path / "results.md").read_text()
    assert "| Rate | SmartCity | 300 | cloud-coldstart | 97.00 ± 12.71 | 4.00 ± 12.71 | – | – | 500 ± 0 |" in text
    assert "| 0 / 75 / 25 / 0 | 100 / 50 |" in text
    assert "## Over all workloads" in text
    assert "| HPA | Healthcare | 300 | cloud-coldstart | – |" in text
    for picture in ("pareto.png", "timeline.png"):
        assert (tmp_path / picture).read_bytes().startswith(PNG)
