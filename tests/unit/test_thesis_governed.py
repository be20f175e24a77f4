"""Weights that are set from outside in the thesis arena: contexts by hand, when weights change, and the bound."""

from itertools import product

import numpy as np
import pytest

from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.library import load
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario
from sparkiot_sim.thesis.actors import LearnedActor
from sparkiot_sim.thesis.arena import Observations
from sparkiot_sim.thesis.draws import Draws, repeated, seeded
from sparkiot_sim.thesis.governed import PERIOD, Contexts, GovernedActor, contexts, fixed, weighted
from sparkiot_sim.thesis.model import Actions, all_actions, play
from sparkiot_sim.thesis.reward_bound import best_global_reward
from sparkiot_sim.thesis.tournament import Run, play_run
from sparkiot_sim.tournament.thesis_meta import BEST, BOUND, NAME, lines


class Watching:
    """Always the same action; remembers the weights that it was shown."""

    identity = PolicyIdentity("watching")

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def begin(self, draws: Draws) -> None:
        self.seen = []

    def act(self, observations: Observations) -> Actions:
        self.seen.append(observations[0, 6:9].tolist())
        return np.tile([9, 7, 0, 0], (len(observations), 1))


def test_a_context_by_hand() -> None:
    shown = np.zeros((2, 1, 13), dtype=np.float32)
    shown[:, 0, 0], shown[:, 0, 4], shown[:, 0, 5] = (100, 300), (500, 1500), (2, 4)
    assert contexts(shown)[0] == pytest.approx([200.0, 0.5, 1.0, 0.5, 0.3])


def test_weights_are_chosen_at_the_start_and_then_every_period_from_what_it_showed() -> None:
    given: list[Contexts] = []

    def choose(seen: Contexts) -> tuple[float, float, float]:
        given.append(seen)
        return (0.5, 0.5, 0.0) if len(given) > 1 else (1.0, 0.0, 0.0)

    actor, draws = Watching(), seeded([1], steps=PERIOD + 10)
    run = play_run(GovernedActor(actor, choose, name="governed"), draws)
    assert actor.seen == [[1.0, 0.0, 0.0]] * PERIOD + [[0.5, 0.5, 0.0]] * 10
    assert [len(seen) for seen in given] == [1, 1]
    # What the start shows, then the mean of the period that ended.
    assert given[0][0] == pytest.approx([draws.start[0], 0, 0.5, 1, 0.5])
    assert given[1][0, 0] == pytest.approx(draws.rate[:PERIOD].mean())
    assert given[1][0, 2] == pytest.approx(run.latency[:PERIOD].mean() / 1000, rel=1e-6)
    assert given[1][0, 4] == pytest.approx(run.cost[:PERIOD].mean() / 10, rel=1e-6)


def test_only_the_weights_of_an_observation_are_replaced() -> None:
    observations = np.arange(26, dtype=np.float32).reshape(2, 13)
    found = weighted(observations, [0.2, 0.3, 0.5])
    assert found[:, 6:9] == pytest.approx(np.array([[0.2, 0.3, 0.5]] * 2))
    rest = [i for i in range(13) if not 6 <= i < 9]
    assert (found[:, rest] == observations[:, rest]).all()
    assert observations[0, 6] == 6


def test_traces_repeat_as_a_whole() -> None:
    draws, twice = seeded([1, 2], steps=5), repeated(seeded([1, 2], steps=5), 2)
    assert twice.traces == 4
    np.testing.assert_array_equal(twice.rate[:, 2:], draws.rate)
    np.testing.assert_array_equal(twice.start[:2], draws.start)


def test_no_actions_pass_the_bound_and_the_best_come_close() -> None:
    draws = seeded([3, 4], steps=2)
    actions = all_actions()
    for trace, bound in enumerate(best_global_reward(draws)):
        each = []
        for t in range(2):
            same = np.ones(len(actions))
            found = play(actions, rate=draws.rate[t, trace] * same, volume=same, shuffle=draws.shuffle[t, trace] * same)
            order = np.lexsort((found.cost, found.latency))
            cheapest = np.minimum.accumulate(found.cost[order])
            front = order[np.concatenate(([True], np.diff(cheapest) < 0))]
            each.append(list(zip(found.latency[front], found.cost[front], strict=True)))
        best = max(
            float(Run(np.array([[c], [d]]), np.array([[a], [b]])).global_reward[0]) for (a, c), (b, d) in product(*each)
        )
        assert best <= bound < 1.02 * best


def test_the_meta_controller_gains_more_than_was_published_and_no_fixed_weights_gain_more() -> None:
    """The shipped artifacts, on seeds that neither training nor its scores used."""
    policy, meta = LearnedPolicy(load("thesis")), LearnedMetaController(load("thesis-meta"))
    table = {line.name: line for line in lines(policy, meta, seeds=range(1, 11))}
    ours, bound = table[NAME], table[BOUND]
    low, _ = ours.gain.interval or (0.0, 0.0)
    assert low > 5.20
    assert all(ours.global_reward.mean > table[scenario].global_reward.mean for scenario in SCENARIO_WEIGHTS)
    assert ours.global_reward.mean > 0.995 * table[BEST].global_reward.mean
    assert table[BEST].global_reward.mean <= bound.global_reward.mean
    assert ours.violations_percent == 0
    equal = play_run(
        GovernedActor(LearnedActor(policy), fixed(SCENARIO_WEIGHTS[Scenario.BALANCED]), name="equal"),
        seeded(range(1, 11)),
    )
    assert table[Scenario.BALANCED].global_reward.mean == pytest.approx(equal.global_reward.mean())
    assert table[Scenario.BALANCED].gain.mean == 0
