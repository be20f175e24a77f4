"""The thesis arena against a plain scalar reading of its description, and its draws against their ranges."""

import math

import numpy as np
import pytest

from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario
from sparkiot_sim.thesis.arena import ThesisArena
from sparkiot_sim.thesis.draws import Draws, draw, seeded

SIZES = (20, 8, 4, 3)


def scalar_step(
    action: list[int], *, w: float, volume: float, s: float, temperature: float, weights: list[float]
) -> dict[str, float]:
    """One step, written from the arena's description and from nothing else."""
    n, m = action[0] + 1, action[1] + 1
    r = {0: 1.0, 1: 0.6, 2: 0.3}[action[3]]
    price = {0: 0.10, 1: 0.05, 2: 0.02, 3: 0.005}[action[2]]
    access = {0: 5, 1: 20, 2: 100, 3: 5000}[action[2]]
    decompress = {0: 0, 1: 10, 2: 50}[action[3]]
    cost = 0.10 * n + 0.05 * n * m + (r * s / 1024) * price
    latency = max(10, 100 * w / (n * m) + access * (r * s) / 100 + decompress * s / 100)
    throughput = n * m * 1000 / latency
    penalty = 0.5 if temperature > 0.7 and action[2] in (2, 3) else 0
    alpha, beta, gamma = weights
    return {
        "cost": cost,
        "latency": latency,
        "throughput": throughput,
        "cpu": min(100, 100 * w / (n * m)),
        "memory": min(100, 100 * volume / (n * m)),
        "reward": -alpha * cost / 10 - beta * latency / 1000 + gamma * throughput / 1000 - penalty,
    }


@pytest.mark.parametrize("scenario", [s for s in Scenario if s in SCENARIO_WEIGHTS])
def test_vectorised_steps_equal_scalar_ones(scenario: Scenario) -> None:
    rng = np.random.default_rng(3)
    draws = seeded([1, 2, 3], steps=120)
    arena = ThesisArena(3, seed=0, weights=SCENARIO_WEIGHTS[scenario])
    observed = arena.reset(draws)
    assert observed[:, 11] == pytest.approx(draws.rate[0])
    for t in range(draws.steps):
        actions = rng.integers(SIZES, size=(3, 4))
        before, step = observed, arena.step(actions)
        observed = step.observations
        for i in range(3):
            weights = before[i, 6:9].astype(float).tolist()
            expected = scalar_step(
                actions[i].tolist(),
                w=draws.rate[t, i],
                volume=draws.volume[t, i],
                s=draws.shuffle[t, i],
                temperature=draws.temperature[t, i],
                weights=weights,
            )
            assert before[i, 11] == pytest.approx(draws.rate[t, i]), "the arriving rate is the announced one"
            assert step.rewards[i] == pytest.approx(expected["reward"], rel=1e-5, abs=1e-6)
            assert step.outcome.cost[i] == pytest.approx(expected["cost"])
            assert step.outcome.latency[i] == pytest.approx(expected["latency"])
            assert step.outcome.throughput[i] == pytest.approx(expected["throughput"])
            last = t == draws.steps - 1
            shown = [
                draws.rate[t, i],
                draws.volume[t, i],
                expected["cpu"],
                expected["memory"],
                min(expected["latency"], 10000),
                expected["cost"],
                *weights,
                draws.shuffle[t, i],
                draws.temperature[t, i],
                draws.rate[t if last else t + 1, i],
                float(draws.burst[t if last else t + 1, i]),
            ]
            assert observed[i] == pytest.approx(shown, rel=1e-5)
        assert step.done == last


def test_draws_follow_the_description() -> None:
    draws = draw(np.random.default_rng(0), traces=200, steps=400)
    rate, before, burst = draws.rate[1:], draws.rate[:-1], draws.burst[1:]
    assert burst.mean() == pytest.approx(0.2, abs=0.005)
    assert ((draws.start >= 10) & (draws.start <= 200)).all()
    assert np.array_equal(draws.rate[0], draws.start)
    assert ((draws.rate >= 10) & (draws.rate <= 900)).all()
    inside = (rate > 10) & (rate < 900)
    for jumped, low, high in ((burst & inside, 2, 4), (~burst & inside, 0.8, 1.2)):
        factor = (rate / before)[jumped]
        assert factor.min() == pytest.approx(low, abs=0.02)
        assert factor.max() <= high + 1e-9
    assert (rate[burst & (before * 2 > 900)] == 900).all()
    assert (draws.volume.min(), draws.volume.max()) == pytest.approx((10, 500), rel=0.1, abs=0.1)
    share = draws.shuffle / draws.volume
    assert (share.min(), share.max()) == pytest.approx((0.1, 0.5), abs=0.001)
    assert draws.temperature.mean() == pytest.approx(0.5, abs=0.01)


def test_the_training_load_makes_what_is_rare_frequent() -> None:
    draws = draw(np.random.default_rng(0), traces=100, load="training")
    at_bound = draws.rate == 900
    assert at_bound.mean() == pytest.approx(0.1, abs=0.01)
    shares = np.histogram(draws.rate[~at_bound], bins=10, range=(10, 900))[0] / (~at_bound).sum()
    assert shares == pytest.approx(0.1, abs=0.01)
    assert (draws.shuffle == 250).mean() == pytest.approx(0.5, abs=0.01)
    assert draws.shuffle.max() == 250


def same(one: Draws, other: Draws) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in Draws.__slots__)


def test_a_seed_is_a_trace_whatever_else_is_drawn() -> None:
    assert same(seeded([5, 6]), seeded([5, 6]))
    assert np.array_equal(seeded([5, 6]).rate[:, 1], seeded([6]).rate[:, 0])


def test_what_a_policy_does_does_not_change_the_load() -> None:
    lazy, eager = (ThesisArena(4, seed=9, steps=30) for _ in range(2))
    for actions in (np.zeros((4, 4), dtype=np.int64), np.array([SIZES] * 4) - 1):
        lazy.reset()
        eager.reset()
        for _ in range(30):
            one, other = lazy.step(np.zeros((4, 4), dtype=np.int64)), eager.step(actions)
            given = [0, 1, 6, 7, 8, 9, 10, 11, 12]  # all elements but what the allocation itself causes
            assert np.array_equal(one.observations[:, given], other.observations[:, given])


def test_the_coming_shuffle_size_is_hidden_unless_asked_for() -> None:
    draws = seeded([1], steps=5)
    hidden, shown = ThesisArena(1, seed=0), ThesisArena(1, seed=0, show_shuffle=True)
    hidden.reset(draws)
    shown.reset(draws)
    actions = np.zeros((1, 4), dtype=np.int64)
    for t in range(4):
        assert hidden.step(actions).observations[0, 9] == np.float32(draws.shuffle[t, 0])
        assert shown.step(actions).observations[0, 9] == np.float32(draws.shuffle[t + 1, 0])


def test_random_weights_are_weights() -> None:
    weights = ThesisArena(500, seed=0).reset()[:, 6:9]
    assert weights.sum(axis=1) == pytest.approx(np.ones(500))
    assert weights.mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.05)


def test_misuse_says_what_to_do() -> None:
    arena = ThesisArena(2, seed=0, steps=1)
    actions = np.zeros((2, 4), dtype=np.int64)
    with pytest.raises(RuntimeError, match="call reset"):
        arena.step(actions)
    with pytest.raises(ValueError, match="1 traces for 2 arenas"):
        arena.reset(seeded([1]))
    arena.reset()
    arena.step(actions)
    with pytest.raises(RuntimeError, match="call reset"):
        arena.step(actions)
    assert math.isfinite(float(arena.reset().sum()))
