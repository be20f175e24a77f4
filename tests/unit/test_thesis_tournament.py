"""The tournament of the thesis arena: baselines as measured on the original, and the limit as a limit."""

from dataclasses import replace

import numpy as np
import pytest

from sparkiot_sim.thesis.actors import Actor, LimitActor
from sparkiot_sim.thesis.draws import seeded
from sparkiot_sim.thesis.limit import Knowledge, limit_actions
from sparkiot_sim.thesis.model import all_actions, play
from sparkiot_sim.thesis.step import play_jump
from sparkiot_sim.thesis.tournament import Run, baselines, play_run, tournament

SEEDS = range(1000, 1100)
"""Twenty times the sample of the original measurement."""

MEASURED = {"Fixed": (88.9, 2251, 1532), "Dexter": (59.9, 2994, 1157), "Seer": (99.7, 2451, 1247)}
"""Violations in percent, cost in dollars, P95 in ms: five traces of the original."""
MEASURED_SEEDS = 5


@pytest.mark.parametrize("actor", baselines(), ids=lambda a: a.identity.name)
def test_baselines_reproduce_the_measured_figures(actor: Actor) -> None:
    violations, cost, p95 = MEASURED[actor.identity.name]
    run = play_run(actor, seeded(SEEDS))
    # The original's figure is a mean of five random traces: it carries that mean's own standard error.
    error = run.violations_percent.std() / np.sqrt(MEASURED_SEEDS)
    assert run.violations_percent.mean() == pytest.approx(violations, abs=3 + error)
    assert run.cost_dollars.mean() == pytest.approx(cost, rel=0.02)
    assert run.latency_p95_ms.mean() == pytest.approx(p95, rel=0.005)


def test_the_limits_reproduce_the_measured_ratio_and_violate_nothing() -> None:
    known, worst = tournament([], seeds=SEEDS)
    assert (known.policy, worst.policy) == ("limit, shuffle known", "limit, shuffle worst")
    assert known.violations_percent == worst.violations_percent == 0
    assert known.cost_dollars == pytest.approx(2559, rel=0.02)
    assert worst.cost_dollars == pytest.approx(2599, rel=0.02)
    assert known.limit_ratio == pytest.approx(2559 / 2599, abs=0.002)
    assert known.latency_p95_ms == pytest.approx(1000, abs=1)
    assert worst.latency_p95_ms == pytest.approx(987, abs=3)


@pytest.mark.parametrize("knowledge", ["known", "worst"])
def test_no_safe_action_is_cheaper_than_the_limit(knowledge: Knowledge) -> None:
    draws = seeded([4, 5], steps=60)
    shuffle = draws.shuffle if knowledge == "known" else np.full_like(draws.shuffle, 250.0)
    actions = all_actions()
    assert len({tuple(a) for a in actions.tolist()}) == 20 * 8 * 4 * 3
    for rate, size, best in zip(
        draws.rate.ravel(), shuffle.ravel(), limit_actions(draws, knowledge).reshape(-1, 4), strict=True
    ):
        zeros = np.zeros(len(actions))
        outcome = play(actions, rate=zeros + rate, volume=zeros, shuffle=zeros + size)
        chosen = (actions == best).all(axis=1).nonzero()[0][0]
        assert outcome.latency[chosen] <= 1000
        assert outcome.cost[outcome.latency <= 1000].min() == pytest.approx(outcome.cost[chosen], abs=1e-12)


def test_a_load_beyond_the_largest_allocation_has_no_limit() -> None:
    draws = seeded([1], steps=1)
    with pytest.raises(ValueError, match="no action meets the SLA"):
        limit_actions(replace(draws, rate=draws.rate + 20_000), "worst")


def test_all_policies_meet_the_same_traces() -> None:
    rows = tournament([*baselines(), *baselines()], seeds=[1, 2], steps=50)
    assert rows[:3] == rows[3:6]


def test_a_limit_needs_its_traces_first() -> None:
    with pytest.raises(RuntimeError, match="begin"):
        LimitActor("worst").act(np.zeros((1, 13), dtype=np.float32))


def test_the_edge_experiment_by_hand() -> None:
    """Fixed has 60 GB: 100 · 800 / 60 ms of compute, 20 · 0.6 · 250/100 to move and 10 · 250/100 to decompress."""
    fixed, limit = play_jump(baselines()[0]), play_jump(LimitActor("worst"))
    assert fixed.latency_ms == pytest.approx(8000 / 6 + 30 + 25)
    assert (fixed.violations, fixed.ahead) == (10, False)
    assert fixed.cost_before == fixed.cost_at == fixed.cost_after
    assert (limit.violations, limit.ahead) == (0, True)


def test_a_policy_that_comes_a_step_late_is_not_ahead() -> None:
    assert not replace(play_jump(LimitActor("worst")), violations=1).ahead
    assert not replace(play_jump(LimitActor("worst")), cost_at=1.0).ahead


def test_the_global_reward_by_hand() -> None:
    run = Run(cost=np.array([[2.0], [4.0]]), latency=np.array([[400.0], [598.0]]))
    assert run.global_reward == pytest.approx([1000 / 500 - 0.3])
