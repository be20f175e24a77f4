"""The regression gate lets an equal and a better policy pass and stops a worse one."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparkiot_sim.tournament import gate
from sparkiot_sim.tournament.entry import Entry
from sparkiot_sim.tournament.gate import POLICIES, Check, RecordError, Score, checks, program, read, scores, write

SEEDS = range(1, 6)
RECORDED = [
    Score(
        policy="default",
        workload=workload,
        mean_rate=300.0,
        preset="spot",
        seed=seed,
        slo_attainment=0.98 + 0.002 * seed,
        cost_dollars=4.0 + 0.1 * seed,
    )
    for workload in ("SmartCity", "Industrial")
    for seed in SEEDS
]


def changed(*, points: float = 0.0, percent: float = 0.0, workload: str | None = None) -> list[Score]:
    """The recorded scores, moved alike in every round of a workload or of all."""
    return [
        replace(s, slo_attainment=s.slo_attainment + points / 100, cost_dollars=s.cost_dollars * (1 + percent / 100))
        if workload in {None, s.workload}
        else s
        for s in RECORDED
    ]


def worse(found: list[Check]) -> set[tuple[str, str]]:
    return {(check.where, check.measure) for check in found if check.worse}


def test_the_same_scores_pass() -> None:
    found = checks(RECORDED, RECORDED)
    assert {check.where for check in found} == {"all workloads", "SmartCity", "Industrial"}
    assert not worse(found)


def test_a_better_policy_passes() -> None:
    assert not worse(checks(changed(points=0.5, percent=-10.0), RECORDED))


def test_what_rounding_may_do_passes() -> None:
    assert not worse(checks(changed(points=-0.05, percent=0.5), RECORDED))


def test_a_policy_that_loses_attainment_or_costs_more_is_stopped() -> None:
    everywhere = {"all workloads", "SmartCity", "Industrial"}
    assert worse(checks(changed(points=-0.5), RECORDED)) == {(where, "attainment") for where in everywhere}
    assert worse(checks(changed(percent=3.0), RECORDED)) == {(where, "cost") for where in everywhere}


def test_one_workload_that_suffers_is_not_hidden_by_the_others() -> None:
    assert ("Industrial", "attainment") in worse(checks(changed(points=-0.5, workload="Industrial"), RECORDED))


def test_a_difference_within_its_interval_passes() -> None:
    """Two seeds gain what three lose: nothing is known of the mean."""
    mixed = [replace(s, slo_attainment=s.slo_attainment + (0.004 if s.seed <= 2 else -0.005)) for s in RECORDED]
    found = checks(mixed, RECORDED)
    (over_all,) = (c for c in found if (c.where, c.measure) == ("all workloads", "attainment"))
    assert over_all.difference.mean == pytest.approx(-0.14)
    assert not worse(found)


def test_a_policy_that_lets_the_job_stand_still_is_stopped() -> None:
    still = [replace(s, slo_attainment=float("nan")) for s in RECORDED]
    assert ("all workloads", "attainment") in worse(checks(still, RECORDED))


def test_the_record_of_another_program_is_refused() -> None:
    with pytest.raises(RecordError, match="record them anew"):
        checks(RECORDED, RECORDED[:-1])


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(RECORDED, tmp_path / "scores.json")
    assert read(tmp_path / "scores.json") == RECORDED
    with pytest.raises(RecordError, match=r"absent\.json"):
        read(tmp_path / "absent.json")


def test_the_shipped_record_is_of_the_program_that_the_gate_plays() -> None:
    recorded = {(score.policy, score.round) for score in read()}
    played = {
        (m.entry.name, (m.round.load.name, m.round.load.mean_rate, m.round.preset, m.round.seed))
        for m in program().matches()
    }
    assert recorded == played
    assert {policy for policy, _ in recorded} == set(POLICIES)


def test_the_command_stops_a_worse_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule in place of the shipped policy, under its name."""

    def short(*entries: Entry) -> list[Score]:
        return scores(
            replace(program(entries), loads=program().loads[:1], presets=("spot",), seeds=(3001, 3002, 3003, 3004))
        )

    write(short(Entry.of("default")), tmp_path / "scores.json")
    monkeypatch.setattr(gate, "read", lambda: read(tmp_path / "scores.json"))
    other = short(Entry(name="default", policy="KEDA"))
    monkeypatch.setattr(gate, "scores", lambda _: other)
    assert gate.main([]) == 1
    monkeypatch.setattr(gate, "scores", lambda _: read(tmp_path / "scores.json"))
    assert gate.main([]) == 0
