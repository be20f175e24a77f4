"""The shipped policy of the thesis arena: its bar, on seeds that neither training nor its manifest's scores used."""

import numpy as np
import pytest

from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.library import load
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario
from sparkiot_policies.observation import names
from sparkiot_sim.thesis.actors import LearnedActor
from sparkiot_sim.thesis.draws import LARGEST_SHUFFLE_MB, Draws
from sparkiot_sim.thesis.model import SLA_MS, play
from sparkiot_sim.thesis.tournament import play_run, tournament

ARTIFACT = load("thesis")
SEEDS = range(1, 11)
SCENARIOS = pytest.mark.parametrize("scenario", list(SCENARIO_WEIGHTS), ids=str)


@SCENARIOS
def test_it_pays_little_more_than_the_limit_and_keeps_the_sla(scenario: Scenario) -> None:
    actor = LearnedActor(LearnedPolicy(ARTIFACT))
    learned, *_ = tournament([actor], seeds=SEEDS, weights=SCENARIO_WEIGHTS[scenario])
    assert learned.violations_percent <= 0.2
    assert learned.limit_ratio <= 1.03
    assert learned.latency_p95_ms <= SLA_MS


@SCENARIOS
def test_its_recorded_scores_are_what_the_tournament_gives(scenario: Scenario) -> None:
    scores = ARTIFACT.manifest.scores
    actor = LearnedActor(LearnedPolicy(ARTIFACT))
    row, *_ = tournament([actor], seeds=scores["seeds"], weights=SCENARIO_WEIGHTS[scenario])
    recorded = scores["scenarios"][scenario]
    assert recorded == {k: pytest.approx(v, abs=1e-3) for k, v in row.to_dict().items() if k != "policy"}


def test_a_step_from_200_to_800_is_met_before_it_arrives() -> None:
    steps = 20
    rate = np.where(np.arange(steps) < steps // 2, 200.0, 800.0)[:, None]
    load_mb = np.full((steps, 1), 500.0)
    draws = Draws(
        start=np.array([200.0]),
        rate=rate,
        burst=np.diff(rate, axis=0, prepend=200.0) > 0,
        volume=load_mb,
        shuffle=np.full((steps, 1), LARGEST_SHUFFLE_MB),
        temperature=np.full((steps, 1), 0.5),
    )
    run = play_run(LearnedActor(LearnedPolicy(ARTIFACT)), draws)
    assert (run.latency <= SLA_MS).all()
    # The step's own executors are there when its load arrives, and not before: the cost rises with the load.
    assert run.cost[steps // 2, 0] == run.cost[-1, 0] > 2 * run.cost[steps // 2 - 1, 0]


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
