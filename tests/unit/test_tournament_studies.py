"""Sweeps and ablations: what is played, and what is made of results that can be checked by hand."""

import json
import math
from functools import partial
from pathlib import Path

import pytest
from support_tournament import result

from sparkiot_policies.allocation import Tier
from sparkiot_policies.objectives import SCENARIO_WEIGHTS
from sparkiot_policies.rules import swept
from sparkiot_sim.generators import Kind
from sparkiot_sim.shifting import ShiftingResult
from sparkiot_sim.tournament.ablations import (
    COMPLETE,
    EQUAL_WEIGHTS,
    NO_SIGNALS,
    REFERENCE,
    WRONG_SIGNALS,
    ablations,
    entries,
    global_reward,
    meta_gain,
)
from sparkiot_sim.tournament.entry import ORACLE, Entry, entrant
from sparkiot_sim.tournament.front_picture import fronts_picture
from sparkiot_sim.tournament.matches import Load, Tournament
from sparkiot_sim.tournament.paired import differences
from sparkiot_sim.tournament.play import Result
from sparkiot_sim.tournament.report import write
from sparkiot_sim.tournament.sections import of_ablations, of_sweep
from sparkiot_sim.tournament.shifts import META, ShiftRun
from sparkiot_sim.tournament.shifts import compare as compare_shifts
from sparkiot_sim.tournament.shifts import entries as shift_entries
from sparkiot_sim.tournament.sweep import BEST, WEIGHTS, comparisons, expanded, fronts, overall

PNG = b"\x89PNG\r\n\x1a\n"


def both(policy: str, workload: str, *pairs: tuple[float, float]) -> list[Result]:
    """One result a seed from pairs of cost and attainment."""
    return [result(policy, workload, seed, cost=c, attainment=a) for seed, (c, a) in enumerate(pairs, start=1)]


SWEPT = [
    *both("default:weights=Balanced", "SmartCity", (10.0, 0.98), (10.0, 0.98)),
    *both("default:weights=SmartCityBudget", "SmartCity", (8.0, 0.90), (8.0, 0.90)),
    *both("RateAhead:utilization=0.5", "SmartCity", (20.0, 0.97), (20.0, 0.99)),
    *both("RateAhead:utilization=1", "SmartCity", (10.0, 0.90), (10.0, 0.90)),
    *both("Fixed:executors=3", "SmartCity", (9.0, 0.91), (11.0, 0.93)),
    *both(ORACLE, "SmartCity", (5.0, 1.0), (5.0, 1.0)),
]


def test_each_policy_is_played_over_its_whole_sweep() -> None:
    found = expanded(["default", "RateAhead", "HPA:target=55", "default:weights=Balanced"])
    assert found == (*(f"default:{weights}" for weights in WEIGHTS), *swept("RateAhead"), "HPA:target=55")
    for reference in found:
        entrant(reference)


def test_fronts_are_of_families() -> None:
    (found,) = fronts(SWEPT).values()
    assert [p.name for p in found["default"]] == ["default:weights=SmartCityBudget", "default:weights=Balanced"]
    assert [p.name for p in found["RateAhead"]] == ["RateAhead:utilization=1", "RateAhead:utilization=0.5"]
    assert list(found) == ["default", "RateAhead", "Fixed", ORACLE]


def test_a_learned_policy_is_compared_with_every_rival_and_all_together() -> None:
    lines = {line.rival: line for line in comparisons(SWEPT)}
    assert list(lines) == ["Fixed", "RateAhead", BEST]
    # Levels 0.90 (8 against 10) and 0.98 (10 against 20).
    assert lines["RateAhead"].comparison.worst_ratio == pytest.approx(0.8)
    # Fixed ends at 0.92: there the policy costs 8.5, half of the way from 8 to 10 in four steps.
    assert lines["Fixed"].comparison.worst_ratio == pytest.approx(8.5 / 10)
    assert lines["Fixed"].comparison.beyond == 0.5
    # All together: Fixed at 0.92 costs 10, RateAhead 12.5; at 0.98 there is only RateAhead.
    assert lines[BEST].comparison.worst_ratio == pytest.approx(8.5 / 10)
    assert lines[BEST].comparison.beyond == 0.0


def test_the_interval_of_a_ratio_leaves_out_one_seed_each() -> None:
    (line,) = (line for line in comparisons(SWEPT) if line.rival == "Fixed")
    # Without seed 1: cost 11 at 0.93, worst (8 + 2 * 3/8) / 11; without seed 2: cost 9 at 0.91, (8 + 2/8) / 9.
    low, high = (8 + 6 / 8) / 11, (8 + 2 / 8) / 9
    assert line.worst is not None
    assert line.worst.mean == pytest.approx(0.85)
    # sqrt(1/2 * 2 * (half of their distance)^2), t with one degree of freedom.
    assert line.worst.half_width == pytest.approx(12.706 * (high - low) / 2)


def test_over_all_loads_the_worst_counts_and_is_named() -> None:
    second = [
        *both("default:weights=Balanced", "Industrial", (19.0, 0.98), (19.0, 0.98)),
        *both("RateAhead:utilization=0.5", "Industrial", (20.0, 0.99), (20.0, 0.99)),
    ]
    found = {line.rival: line for line in overall(comparisons([*SWEPT, *second]))}
    ahead = found["RateAhead"]
    assert ahead.worst is not None
    assert ahead.worst.cell == ("Industrial", 300.0, "cloud-coldstart")
    # Geometric means: sqrt(0.8 * 0.5) where both ends are met, 0.95 in the other.
    assert ahead.mean_ratio == pytest.approx(math.sqrt(math.sqrt(0.8 * 0.5) * 0.95))
    assert (ahead.out_of_reach, ahead.lines) == (1, 2)


def test_the_files_of_a_sweep(tmp_path: Path) -> None:
    program = Tournament(
        entries=tuple(Entry.of(name) for name in dict.fromkeys(r.policy for r in SWEPT)),
        loads=(Load(source=Kind.SMART_CITY, mean_rate=300.0),),
        seeds=(1, 2),
    )
    write(
        tmp_path,
        program,
        SWEPT,
        sections=of_sweep(SWEPT),
        pictures={"fronts.png": partial(fronts_picture, SWEPT)},
    )
    document = json.loads((tmp_path / "results.json").read_text())
    assert [row["rival"] for row in document["fronts"]] == ["Fixed", "RateAhead", BEST]
    assert document["fronts_overall"][1]["worst"]["worst_ratio"] == pytest.approx(0.8)
    assert "| default | RateAhead | 0.800 ± 0.000 | 90.00 |" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "fronts.png").read_bytes().startswith(PNG)


def test_ablations_take_one_part_each_from_the_complete_policy() -> None:
    variants = {entry.name: entry for entry in entries("default")}
    complete = variants.pop(COMPLETE)
    assert (complete.signal, complete.delay, complete.tier) == (None, 0, None)
    assert entrant(complete.policy).meta is not None
    assert {name for name, entry in variants.items() if entry.policy != complete.policy} == {EQUAL_WEIGHTS, REFERENCE}
    taken = {name: (entry.signal, entry.delay, entry.tier) for name, entry in variants.items()}
    assert taken["without edge signals"] == ("none", 0, None)
    assert taken["wrong edge signals"] == ("poor", 0, None)
    assert taken["without tier choice"] == (None, 0, Tier.WARM)
    assert (taken["one interval late"], taken["three intervals late"]) == ((None, 1, None), (None, 3, None))


ABLATED = [
    *both(COMPLETE, "SmartCity", (10.0, 0.99), (20.0, 0.97)),
    *both("one interval late", "SmartCity", (11.0, 0.98), (24.0, 0.93)),
]


def test_differences_are_paired_by_seed() -> None:
    (line,) = ablations(ABLATED)
    # Points: -1 and -4. Cost: +10 % and +20 %.
    assert line.differences.attainment.mean == pytest.approx(-2.5)
    assert line.differences.attainment.half_width == pytest.approx(12.706 * 1.5)
    assert line.differences.attainment.interval == (pytest.approx(-2.5 - 19.059), pytest.approx(-2.5 + 19.059))
    assert line.differences.cost.mean == pytest.approx(15.0)
    assert line.most_lost == (pytest.approx(-2.5), ("SmartCity", 300.0, "cloud-coldstart"))


def test_seeds_are_averaged_over_loads_first() -> None:
    other = [
        *both(COMPLETE, "Industrial", (10.0, 0.99), (20.0, 0.99)),
        *both("one interval late", "Industrial", (10.0, 0.98), (20.0, 1.0)),
    ]
    (line,) = ablations([*ABLATED, *other])
    # Seed 1: -1 and -1; seed 2: -4 and +1.
    assert line.differences.attainment.mean == pytest.approx((-1.0 - 1.5) / 2)
    assert line.differences.attainment.half_width == pytest.approx(12.706 * 0.25)
    assert (line.most_lost[1][0], line.dearest[1][0]) == ("SmartCity", "SmartCity")
    assert line.dearest[0] == pytest.approx(15.0)


def test_wrong_signals_are_held_against_none_and_against_the_rule_too() -> None:
    played = [
        *both(COMPLETE, "SmartCity", (10.0, 0.99)),
        *both(WRONG_SIGNALS, "SmartCity", (11.0, 0.98)),
        *both(NO_SIGNALS, "SmartCity", (10.5, 0.97)),
        *both(REFERENCE, "SmartCity", (20.0, 0.96)),
    ]
    found = {(line.variant, line.against): line.differences for line in ablations(played)}
    assert found[WRONG_SIGNALS, NO_SIGNALS].cost.mean == pytest.approx(100 * (11 / 10.5 - 1))
    assert found[WRONG_SIGNALS, REFERENCE].attainment.mean == pytest.approx(2.0)
    assert len(found) == 5


def test_different_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same rounds"):
        differences(ABLATED[:1], ABLATED[2:])


def test_the_gain_of_the_meta_controller_on_the_thesis_measure() -> None:
    # $2 in two hours are $1/h: 1000/500 - 0.1 = 1.9 against 1000/1000 - 0.1 = 0.9.
    ours = [result(COMPLETE, "SmartCity", 1, attainment=1.0, latency_ms=499.0)]
    theirs = [result(EQUAL_WEIGHTS, "SmartCity", 1, attainment=1.0, latency_ms=999.0)]
    assert global_reward(ours[0]) == pytest.approx(1.9)
    assert meta_gain([*ours, *theirs]).mean == pytest.approx(100 * (1.9 / 0.9 - 1))
    sections = of_ablations([*ours, *theirs])
    assert sections[1].rows[0]["published_percent"] == 5.20


def shift_run(policy: str, seed: int, *, kept: float, cost: float, workload: str = "SmartCity") -> ShiftRun:
    nothing = (0.0, 0.0, 0.0)
    return ShiftRun(
        policy=policy,
        workload=workload,
        mean_rate=300.0,
        preset="spot",
        seed=seed,
        result=ShiftingResult(
            attainment_day=0.99,
            attainment_night=0.9,
            kept=kept,
            cost_dollars=cost,
            mean_latency_ms=500.0,
            weights_day=nothing,
            weights_night=nothing,
        ),
    )


def test_fixed_weights_are_beaten_where_they_cost_more_and_keep_no_more() -> None:
    runs = [
        *(shift_run(META, seed, kept=0.98, cost=10.0) for seed in (1, 2)),
        shift_run("careful", 1, kept=0.98, cost=11.0),
        shift_run("careful", 2, kept=0.98, cost=13.0),
        *(shift_run("cheap", seed, kept=0.90, cost=8.0) for seed in (1, 2)),
        *(shift_run("better", seed, kept=0.99, cost=12.0) for seed in (1, 2)),
    ]
    meta, careful, cheap, better = compare_shifts(runs)
    assert (meta.policy, meta.cost_percent, meta.cells) == (META, None, 1)
    assert (careful.beaten, cheap.beaten, better.beaten) == (1, 0, 0)
    assert careful.cost_percent is not None
    # +10 % and +30 %, seed by seed.
    assert careful.cost_percent.mean == pytest.approx(20.0)
    assert careful.cost_percent.half_width == pytest.approx(12.706 * 10)
    assert cheap.kept_points is not None
    assert cheap.kept_points.mean == pytest.approx(-8.0)


def test_every_scenario_plays_beside_the_meta_controller() -> None:
    found = {entry.name: entrant(entry.policy).weights for entry in shift_entries("default")}
    assert found.pop(META) is None
    assert set(found.values()) == set(SCENARIO_WEIGHTS.values())
