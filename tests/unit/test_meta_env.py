"""What the meta-controller learns on: its reward by hand, what is asked when, siblings that differ by weights alone."""

from dataclasses import replace

import numpy as np
import pytest
from support_cluster import allocation

from sparkiot_policies import library
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.evaluation import Context
from sparkiot_policies.job import Job
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.objectives import Objectives
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import standard_setting, with_weights

pytest.importorskip("stable_baselines3", reason="needs the train extra")

from sparkiot_sim.randomisation import Randomisation
from sparkiot_sim.training.meta_env import (
    BUDGET,
    ELEMENTS,
    OVERRUN,
    SIBLINGS,
    STEP_S,
    Asked,
    Family,
    worth,
)
from sparkiot_sim.training.td3 import to_weights

pytestmark = pytest.mark.train
CONTEXT = Context(
    rate_mean=100.0, rate_spread=0.1, latency_ratio=0.9, attainment=0.99, budget_burn=1.5, quantile=0.95, budgeted=0.0
)
JOB = Job(name="test", initial=allocation(), objectives=Objectives(weights=None, latency_target_ms=1000))
EQUAL = [0.0, 0.0, 0.0]


def test_using_up_what_may_be_late_costs_the_same_share_of_the_bill_under_any_objective() -> None:
    for quantile in (0.8, 0.95, 0.99):
        assert worth(CONTEXT, quantile=quantile, late=1 - quantile, cost=0.8) == pytest.approx(-0.8 - BUDGET)


def test_an_overrun_counts_only_against_a_stated_budget() -> None:
    assert worth(CONTEXT, quantile=0.95, late=0.0, cost=0.8) == pytest.approx(-0.8)
    budgeted = replace(CONTEXT, budgeted=1.0)
    assert worth(budgeted, quantile=0.95, late=0.0, cost=0.8) == pytest.approx(-0.8 - OVERRUN * 0.5)


def test_a_decision_that_ends_a_step_knows_what_the_next_one_is_asked() -> None:
    asked = Asked(1000.0, [0.8, 0.99])
    times = (1010.0, 990.0 + STEP_S, 1000.0 + STEP_S, 990.0 + 2 * STEP_S, 1000.0 + 2 * STEP_S)
    assert [asked.job(JOB, now).objectives.quantile for now in times] == [0.8, 0.8, 0.99, 0.99, 0.99]
    assert asked.job(JOB, 1010.0).objectives.latency_target_ms == 1000


def test_actions_become_weights_that_sum_to_one() -> None:
    corner, equal = to_weights([[1.0, -1.0, -1.0], EQUAL])
    assert corner[0] == pytest.approx(1.001 / 1.003)
    assert corner.min() > 0
    assert equal == pytest.approx([1 / 3] * 3)


def family() -> Family:
    policy = LearnedPolicy(load_artifact(library.locate("default")))
    return Family(1, policy=policy, randomisation=Randomisation())


def test_a_sibling_under_equal_weights_gains_nothing_over_its_twin() -> None:
    siblings = family()
    setting = with_weights(standard_setting(Kind.HEALTHCARE, seed=1, duration_s=3 * STEP_S), None)
    begun = siblings.reset(setting)
    assert begun.shape == (SIBLINGS, len(ELEMENTS))
    assert (begun == begun[0]).all()
    actions = np.array([[1.0, -1.0, -1.0], *[EQUAL] * (SIBLINGS - 1)], dtype=np.float32)
    for last in (False, True):
        step = siblings.step(actions)
        assert step.rewards[0] != 0
        assert (step.rewards[1:] == 0).all()
        assert step.done.tolist() == [last] * SIBLINGS
        assert step.final is not None
        assert (step.final[1:] == step.final[1]).all()
        assert np.isfinite(step.final).all()


def test_a_seed_is_an_episode() -> None:
    first, again = family(), family()
    np.testing.assert_array_equal(first.reset(), again.reset())
    actions = np.random.default_rng(2).uniform(-1, 1, (SIBLINGS, 3)).astype(np.float32)
    one, two = first.step(actions), again.step(actions)
    np.testing.assert_array_equal(one.rewards, two.rewards)
    np.testing.assert_array_equal(one.observations, two.observations)
