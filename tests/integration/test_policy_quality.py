"""The shipped policies hold the bars they are shipped for: held-out episodes, default envelope, measured signals."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from sparkiot_policies import library
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario
from sparkiot_policies.policy import Policy
from sparkiot_policies.rules import rule
from sparkiot_sim.compare import HELD_OUT_SEEDS, Row, compare, held_out, play
from sparkiot_sim.episode import Summary
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import standard_setting, with_weights


@pytest.fixture(scope="module")
def learned() -> LearnedPolicy:
    return LearnedPolicy(library.load("default"))


@pytest.fixture(scope="module")
def rows(learned: LearnedPolicy) -> Mapping[tuple[str, str], Row]:
    """By policy and workload."""
    policies: dict[str, Policy] = {"learned": learned, "HPA": rule("HPA"), "RateAhead": rule("RateAhead")}
    return {(row.policy, row.workload): row for row in compare(policies)}


@pytest.mark.parametrize("kind", Kind)
def test_it_beats_hpa_on_attainment_and_on_cost(rows: Mapping[tuple[str, str], Row], kind: Kind) -> None:
    learned, hpa = rows["learned", kind], rows["HPA", kind]
    assert learned.slo_attainment > hpa.slo_attainment
    assert learned.cost_dollars < hpa.cost_dollars


@pytest.mark.parametrize("kind", Kind)
def test_it_is_cheaper_than_rate_ahead_and_loses_less_than_a_point(
    rows: Mapping[tuple[str, str], Row], kind: Kind
) -> None:
    learned, ahead = rows["learned", kind], rows["RateAhead", kind]
    assert learned.cost_dollars < 0.6 * ahead.cost_dollars
    assert learned.slo_attainment > ahead.slo_attainment - 0.01


@pytest.mark.parametrize("kind", Kind)
def test_ordinary_operation_is_familiar_to_it(rows: Mapping[tuple[str, str], Row], kind: Kind) -> None:
    assert rows["learned", kind].fallback_share < 0.01


def test_a_tenth_of_an_executor_gets_one(learned: LearnedPolicy) -> None:
    quiet = standard_setting(Kind.SMART_CITY, seed=5, mean_rate=10.0, duration_s=3600)
    episode = play(quiet, learned)
    assert {cycle.decision.allocation.executors for cycle in episode.cycles[60:]} == {1}
    assert episode.summary.slo_attainment > 0.99


def test_weights_move_it_along_its_front(learned: LearnedPolicy) -> None:
    def played(scenario: Scenario) -> Summary:
        setting = with_weights(held_out(Kind.HEALTHCARE, HELD_OUT_SEEDS[1]), SCENARIO_WEIGHTS[scenario])
        return play(setting, learned).summary

    budget, balanced, critical = map(
        played, (Scenario.SMART_CITY_BUDGET, Scenario.BALANCED, Scenario.HEALTHCARE_CRITICAL)
    )
    assert budget.cost_dollars < 0.97 * balanced.cost_dollars < 0.95 * critical.cost_dollars
    assert budget.latency_p50_ms > balanced.latency_p50_ms > critical.latency_p50_ms


def test_the_meta_controller_moves_with_its_context(learned: LearnedPolicy) -> None:
    """One that ends in a corner whatever it sees has learned nothing."""
    meta = LearnedMetaController(library.load("default-meta"))
    weights = []
    for kind in Kind:
        episode = play(with_weights(held_out(kind, HELD_OUT_SEEDS[0]), None), learned, meta=meta)
        weights += [cycle.decision.weights for cycle in episode.cycles[10:]]
    chosen = np.array([(w.cost, w.latency, w.throughput) for w in weights])
    assert (chosen.max(axis=1) < 0.99).mean() > 0.5
    assert chosen.std(axis=0).max() > 0.05
    assert any(abs(a.cost - b.cost) > 0.01 for a, b in pairwise(weights))
