"""The shipped policies hold the bars they are shipped for: held-out episodes, default envelope, measured signals."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario
from sparkiot_policies.rules import rule
from sparkiot_sim.episode import Episode, run_episode
from sparkiot_sim.generators import HOUR_S, Kind
from sparkiot_sim.setting import Setting, standard_setting, with_weights
from sparkiot_sim.shifting import ShiftingResult, play_shifting
from sparkiot_sim.tournament.entry import entrant
from sparkiot_sim.tournament.held_out import HELD_OUT_SEEDS, held_out
from sparkiot_sim.tournament.play import play
from sparkiot_sim.tournament.statistics import Row, rows


@pytest.fixture(scope="module")
def table() -> Mapping[tuple[str, str], Row]:
    """By policy and workload."""
    return {(row.policy, row.workload): row for row in rows(play(held_out(["default", "HPA", "RateAhead"])))}


@pytest.mark.parametrize("kind", Kind)
def test_it_beats_hpa_on_attainment_and_on_cost(table: Mapping[tuple[str, str], Row], kind: Kind) -> None:
    learned, hpa = table["default", kind], table["HPA", kind]
    assert learned.mean("slo_attainment") > hpa.mean("slo_attainment")
    assert learned.mean("cost_dollars") < hpa.mean("cost_dollars")


@pytest.mark.parametrize("kind", Kind)
def test_it_is_cheaper_than_rate_ahead_and_loses_less_than_a_point(
    table: Mapping[tuple[str, str], Row], kind: Kind
) -> None:
    learned, ahead = table["default", kind], table["RateAhead", kind]
    assert learned.mean("cost_dollars") < 0.6 * ahead.mean("cost_dollars")
    assert learned.mean("slo_attainment") > ahead.mean("slo_attainment") - 0.01


@pytest.mark.parametrize("kind", Kind)
def test_ordinary_operation_is_familiar_to_it(table: Mapping[tuple[str, str], Row], kind: Kind) -> None:
    assert table["default", kind].mean("fallback_share") < 0.01


def played(setting: Setting, reference: str = "default") -> Episode:
    player = entrant(reference)
    return run_episode(
        job=setting.job,
        simulated=setting.simulated(),
        policy=player.policy,
        fallback=rule("Rate"),
        meta=player.meta,
        duration_s=setting.duration_s,
        start=setting.start,
    )


def test_a_tenth_of_an_executor_gets_one() -> None:
    episode = played(standard_setting(Kind.SMART_CITY, seed=5, mean_rate=10.0, duration_s=3600))
    assert {cycle.decision.allocation.executors for cycle in episode.cycles[60:]} == {1}
    assert episode.summary.slo_attainment > 0.99


def test_weights_move_it_along_its_front() -> None:
    program = held_out(["default"], seeds=(HELD_OUT_SEEDS[1],))
    match = next(m for m in program.matches() if m.round.load.source is Kind.HEALTHCARE)
    scenarios = (Scenario.SMART_CITY_BUDGET, Scenario.BALANCED, Scenario.HEALTHCARE_CRITICAL)
    budget, balanced, critical = (
        played(with_weights(program.setting(match), SCENARIO_WEIGHTS[scenario])).summary for scenario in scenarios
    )
    assert budget.cost_dollars < 0.97 * balanced.cost_dollars < 0.95 * critical.cost_dollars
    assert budget.latency_p50_ms > balanced.latency_p50_ms > critical.latency_p50_ms


@pytest.fixture(scope="module", params=[Kind.SMART_CITY, Kind.HEALTHCARE])
def shifted(request: pytest.FixtureRequest) -> Mapping[str, ShiftingResult]:
    """From 15 to 3 o'clock: half of it day, at 99 %, half night, at 80 %. By who sets the weights."""
    whole = standard_setting(request.param, seed=HELD_OUT_SEEDS[0])
    setting = replace(whole, start=whole.start + 15 * HOUR_S, duration_s=12 * HOUR_S)
    found = {}
    for name in ("Auto", Scenario.BALANCED.value, Scenario.SMART_CITY_BUDGET.value):
        player = entrant(f"default:weights={name}")
        found[name] = play_shifting(setting, player.policy, weights=player.weights, meta=player.meta)
    return found


def test_the_meta_controller_saves_by_night_and_not_by_day(shifted: Mapping[str, ShiftingResult]) -> None:
    """One that ends in a corner whatever it sees has learned nothing."""
    ours = shifted["Auto"]
    (cost_day, latency_day, _), (cost_night, latency_night, _) = ours.weights_day, ours.weights_night
    assert latency_night - cost_night < latency_day - cost_day - 0.2
    assert max(ours.weights_day) < 0.95


def test_where_objectives_shift_it_pays_less_than_equal_weights_and_keeps_more_than_the_cheap_ones(
    shifted: Mapping[str, ShiftingResult],
) -> None:
    ours, equal, cheap = shifted["Auto"], shifted[Scenario.BALANCED], shifted[Scenario.SMART_CITY_BUDGET]
    assert ours.cost_dollars < equal.cost_dollars
    assert ours.kept > cheap.kept
    assert ours.kept > equal.kept - 0.005
