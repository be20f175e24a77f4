"""The shipped policies hold the bars they are shipped for: held-out episodes, default envelope, measured signals."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from sparkiot_policies import library
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.policy import Policy
from sparkiot_policies.rules import rule
from sparkiot_sim.compare import HELD_OUT_SEEDS, Row, compare, held_out, play
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import with_weights


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
    assert learned.cost_dollars < 0.8 * ahead.cost_dollars
    assert learned.slo_attainment > ahead.slo_attainment - 0.01


@pytest.mark.parametrize("kind", Kind)
def test_ordinary_operation_is_familiar_to_it(rows: Mapping[tuple[str, str], Row], kind: Kind) -> None:
    assert rows["learned", kind].fallback_share < 0.01


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
