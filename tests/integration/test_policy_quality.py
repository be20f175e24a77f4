"""The shipped policies hold the bars they are shipped for: held-out episodes, default envelope, measured signals."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from sparkiot_policies.rules import rule
from sparkiot_sim.episode import run_episode
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import with_weights
from sparkiot_sim.tournament.entry import entrant
from sparkiot_sim.tournament.held_out import held_out
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
    assert learned.mean("cost_dollars") < 0.8 * ahead.mean("cost_dollars")
    assert learned.mean("slo_attainment") > ahead.mean("slo_attainment") - 0.01


@pytest.mark.parametrize("kind", Kind)
def test_ordinary_operation_is_familiar_to_it(table: Mapping[tuple[str, str], Row], kind: Kind) -> None:
    assert table["default", kind].mean("fallback_share") < 0.01


def test_the_meta_controller_moves_with_its_context() -> None:
    """One that ends in a corner whatever it sees has learned nothing."""
    player, weights = entrant("default:weights=Auto"), []
    program = held_out(["default"], seeds=(1001,))
    for match in program.matches():
        setting = with_weights(program.setting(match), None)
        episode = run_episode(
            job=setting.job,
            simulated=setting.simulated(),
            policy=player.policy,
            fallback=rule("Rate"),
            meta=player.meta,
            duration_s=setting.duration_s,
            start=setting.start,
        )
        weights += [cycle.decision.weights for cycle in episode.cycles[10:]]
    chosen = np.array([(w.cost, w.latency, w.throughput) for w in weights])
    assert (chosen.max(axis=1) < 0.99).mean() > 0.5
    assert chosen.std(axis=0).max() > 0.05
    assert any(abs(a.cost - b.cost) > 0.01 for a, b in pairwise(weights))
