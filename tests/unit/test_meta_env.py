"""What the meta-controller learns on: its reward by hand, its action as the artifact maps it, and twin rollouts."""

from dataclasses import replace

import numpy as np
import pytest
from support_cluster import allocation

from sparkiot_policies import library
from sparkiot_policies.evaluation import Context
from sparkiot_policies.job import Job
from sparkiot_policies.objectives import Objectives
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import standard_setting, with_weights

pytest.importorskip("stable_baselines3", reason="needs the train extra")

from sparkiot_sim.randomisation import Randomisation
from sparkiot_sim.training.meta_env import SHORTFALL, MetaEnv, global_reward, to_weights

pytestmark = pytest.mark.train
CONTEXT = Context(rate_mean=100.0, rate_spread=0.1, latency_ratio=0.9, attainment=0.99, budget_burn=0.5)
JOB = Job(name="test", initial=allocation(), objectives=Objectives(weights=None, latency_target_ms=1000))


def test_reward_by_hand() -> None:
    assert global_reward(JOB, CONTEXT, latencies=[500.0, 900.0], cost=0.8) == pytest.approx(1 / 0.7 - 0.8)
    late = [900.0] * 9 + [1900.0]
    assert global_reward(JOB, CONTEXT, latencies=late, cost=0.8) == pytest.approx(1 - 0.8 - SHORTFALL * 0.05)


def test_who_is_content_with_four_batches_in_five_gains_nothing_by_promptness() -> None:
    lax = replace(JOB, objectives=replace(JOB.objectives, quantile=0.8))
    assert global_reward(lax, CONTEXT, latencies=[500.0] * 4 + [1500.0], cost=0.8) == pytest.approx(-0.8)
    assert global_reward(lax, CONTEXT, latencies=[100.0], cost=0.8) == pytest.approx(-0.8)


def test_a_burn_counts_only_against_a_stated_budget() -> None:
    burning = replace(CONTEXT, budget_burn=1.5)
    budgeted = replace(JOB, objectives=replace(JOB.objectives, budget_per_hour=2.0))
    assert global_reward(JOB, burning, latencies=[1000.0], cost=0.8) == pytest.approx(1 - 0.8)
    assert global_reward(budgeted, burning, latencies=[1000.0], cost=0.8) == pytest.approx(1 - 0.8 - 2 * 0.5)


def test_actions_become_weights_that_sum_to_one() -> None:
    corner = to_weights(np.array([1.0, -1.0, -1.0], dtype=np.float32))
    assert corner.cost == pytest.approx(1.001 / 1.003)
    assert min(corner.latency, corner.throughput) > 0


def test_twins_agree() -> None:
    first, second = (MetaEnv(policy=library.locate("default"), randomisation=Randomisation()) for _ in range(2))
    setting = with_weights(standard_setting(Kind.HEALTHCARE, seed=1, duration_s=3600), None)
    options = {"setting": setting}
    np.testing.assert_array_equal(first.reset(seed=1, options=options)[0], second.reset(seed=1, options=options)[0])
    over = False
    while not over:
        action = np.array([0.5, -0.5, 0.0], dtype=np.float32)
        one, two = first.step(action), second.step(action)
        np.testing.assert_array_equal(one[0], two[0])
        assert one[1:4] == two[1:4]
        assert np.isfinite(one[0]).all()
        over = one[3]
