"""The shipped policy of the thesis arena: its bar, on seeds that neither training nor its manifest's scores used."""

import numpy as np
import pytest

from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.library import load
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario
from sparkiot_policies.observation import names
from sparkiot_sim.thesis.actors import LearnedActor
from sparkiot_sim.thesis.draws import LARGEST_SHUFFLE_MB
from sparkiot_sim.thesis.model import SLA_MS, play
from sparkiot_sim.thesis.step import play_jump
from sparkiot_sim.thesis.tournament import Row, tournament

ARTIFACT = load("thesis")
SEEDS = range(1, 11)
SCENARIOS = pytest.mark.parametrize("scenario", list(SCENARIO_WEIGHTS), ids=str)


def played(scenario: Scenario) -> Row:
    actor = LearnedActor(LearnedPolicy(ARTIFACT))
    return tournament([actor], seeds=SEEDS, weights=SCENARIO_WEIGHTS[scenario])[0]


@SCENARIOS
def test_it_keeps_the_sla_under_every_scenario(scenario: Scenario) -> None:
    learned = played(scenario)
    assert learned.violations_percent <= 0.2
    assert learned.latency_p95_ms <= SLA_MS


@pytest.mark.parametrize("scenario", [Scenario.BALANCED, Scenario.SMART_CITY_BUDGET], ids=str)
def test_it_pays_little_more_than_the_limit_where_nothing_beyond_the_sla_is_asked(scenario: Scenario) -> None:
    assert played(scenario).limit_ratio <= 1.03


def test_weights_buy_promptness_and_standing_capacity() -> None:
    balanced, critical, industrial = (
        played(scenario)
        for scenario in (Scenario.BALANCED, Scenario.HEALTHCARE_CRITICAL, Scenario.INDUSTRIAL_HIGH_THROUGHPUT)
    )
    assert critical.cost_dollars > industrial.cost_dollars > 1.05 * balanced.cost_dollars
    assert critical.latency_p95_ms < 0.7 * balanced.latency_p95_ms
    assert critical.global_reward > 1.5 * balanced.global_reward


@SCENARIOS
def test_its_recorded_scores_are_what_the_tournament_gives(scenario: Scenario) -> None:
    scores = ARTIFACT.manifest.scores
    actor = LearnedActor(LearnedPolicy(ARTIFACT))
    row, *_ = tournament([actor], seeds=scores["seeds"], weights=SCENARIO_WEIGHTS[scenario])
    recorded = scores["scenarios"][scenario]
    measured = row.to_dict()
    assert {"violations_percent", "cost_dollars", "latency_p95_ms"} <= set(recorded)
    assert recorded == {name: pytest.approx(measured[name], abs=1e-3) for name in recorded}


def test_a_step_from_200_to_800_is_met_before_it_arrives() -> None:
    step = play_jump(LearnedActor(LearnedPolicy(ARTIFACT)))
    assert step.violations == 0
    # The step's own executors are there when its load arrives, and not before: the cost rises with the load.
    assert step.cost_at == step.cost_after > 2 * step.cost_before
    assert step.ahead


def test_nearly_every_rate_is_safe_under_any_weights_and_the_largest_shuffle() -> None:
    rng = np.random.default_rng(0)
    size = 50_000
    observations = np.zeros((size, len(names(1))), dtype=np.float32)
    observations[:, 6:9] = rng.dirichlet(np.ones(3), size)
    observations[:, 11] = rng.uniform(10, 900, size)
    actions = LearnedPolicy(ARTIFACT).actions(observations)
    rate = observations[:, 11].astype(float)
    outcome = play(actions, rate=rate, volume=np.zeros(size), shuffle=np.full(size, LARGEST_SHUFFLE_MB))
    assert (outcome.latency > SLA_MS).mean() < 0.002
    assert outcome.latency.max() < 1.02 * SLA_MS
