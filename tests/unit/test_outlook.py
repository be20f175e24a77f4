"""How many executors a load needs by what batches cost, what signals say together, and what the envelope keeps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_cluster import allocation

from sparkiot_policies.batch_cost import Cost
from sparkiot_policies.forecast import forecast, noise
from sparkiot_policies.history import History, Proposal
from sparkiot_policies.job import Job
from sparkiot_policies.measurement import Batch, EdgeSignal, Measurement
from sparkiot_policies.objectives import Objectives
from sparkiot_policies.outlook import outlook, stable_floor
from sparkiot_policies.sizing import MOST, Pace, required

NOW = 1000.0
COST = Cost(overhead_s=0.1, capacity=100.0)
JOB = Job(name="test", initial=allocation(), objectives=Objectives(latency_target_ms=1000))
HISTORY = History(since=0.0, allocation=allocation(executors=6))
LAST = Measurement(
    time=NOW,
    rate=320.0,
    backlog=0.0,
    memory=50.0,
    running=6,
    applied=allocation(),
    trigger_interval_s=0.5,
    shuffle_mb=3.0,
)
BATCH = Batch(NOW, 150.0, 0.35, 850.0)


def seen(**changes: object) -> dict[str, float | None]:
    arguments: dict[str, object] = {
        "cost": COST,
        "rates": [320.0] * 12,
        "batch": BATCH,
        "signal": None,
        "signals": [],
        "now": NOW,
    }
    last = changes.pop("last", LAST)
    return dict(outlook(JOB, HISTORY, last, **{**arguments, **changes}))  # type: ignore[arg-type] # one of each kind


def test_executors_by_hand() -> None:
    """Half a second of 320 rows/s is 160 rows, 1.6 s of one executor, in 0.5 s of which 0.1 s are fixed."""
    pace = Pace.of(trigger_s=0.5, target_ms=1000)
    assert (pace.span_s, pace.budget_s) == (0.5, 0.5)
    assert required(320, COST, pace) == pytest.approx(4.0)


def test_an_overhead_that_no_executor_shares_is_no_reason_for_many() -> None:
    """4 rows/s at 16 rows/s of one executor, in batches of 9 s: a quarter of an executor, were there no overhead, and
    one with a quarter of the time, however much of it the overhead takes beyond that."""
    pace = Pace.of(trigger_s=6.0, target_ms=18_000)
    found = [required(4.0, Cost(overhead, 16.0), pace) for overhead in (0.0, 4.5, 6.75, 9.0, 25.0)]
    assert found == pytest.approx([0.25, 0.5, 1.0, 1.0, 1.0])


def test_a_long_target_lets_batches_follow_each_other_and_a_short_one_leaves_little() -> None:
    assert Pace.of(trigger_s=0.5, target_ms=4000) == Pace(2.0, 2.0)
    assert Pace.of(trigger_s=2.0, target_ms=3000) == Pace(2.0, 1.0)
    assert Pace.of(trigger_s=2.0, target_ms=1000) == Pace(2.0, pytest.approx(0.1))


@given(rate=st.floats(0, 1e9), overhead=st.floats(0, 100), capacity=st.floats(1e-6, 1e6), target=st.floats(1, 1e6))
def test_no_input_asks_for_more_than_any_job_has(rate: float, overhead: float, capacity: float, target: float) -> None:
    found = required(rate, Cost(overhead, capacity), Pace.of(trigger_s=1.0, target_ms=target))
    assert 0 <= found <= MOST


def test_signals_that_agree_are_averaged_and_a_jump_is_believed_alone() -> None:
    calm = forecast([90.0, 110.0, 95.0, 105.0, 98.0, 102.0])
    assert calm is not None
    assert (calm.rate, calm.support) == (pytest.approx(100.0), 1.0)
    jump = forecast([90.0, 110.0, 95.0, 105.0, 98.0, 300.0])
    assert jump is not None
    assert (jump.rate, jump.support) == (300.0, pytest.approx(1 / 6))
    assert forecast([]) is None


def test_one_step_is_not_noise() -> None:
    assert noise([100.0, 100.0, 100.0, 300.0, 300.0]) == 0.0
    assert noise([100.0, 110.0, 100.0, 110.0]) == pytest.approx(0.0953 / 0.79, rel=1e-3)


def test_noise_is_the_standard_deviation_of_what_scatters() -> None:
    drawn = 300 * (1 + 0.1 * np.random.default_rng(0).standard_normal(4000))
    assert noise(drawn.tolist()) == pytest.approx(0.1, rel=0.05)


def test_what_is_seen_by_hand() -> None:
    signal = EdgeSignal(time=NOW, horizon_s=60, predicted_rate=480.0, probability=0.8, alarm=True)
    before = EdgeSignal(time=NOW - 10, horizon_s=60, predicted_rate=320.0, probability=0.1, alarm=False)
    found = seen(signal=signal, signals=[before, signal])
    assert found["required"] == pytest.approx(4.0)
    assert (found["required_ahead"], found["required_next"]) == (pytest.approx(6.0), pytest.approx(6.0))
    assert (found["forecast_known"], found["burst_probability"]) == (1.0, 0.8)
    assert found["overhead"] == pytest.approx(0.2)
    assert found["lateness"] == pytest.approx(0.85)
    # half full on 6 executors, for a load that needs 4
    assert found["working_set"] == pytest.approx(0.5 * allocation().memory_gib * 6 / 4)
    # 3 MB of 150 rows, 100 of which an executor works off in a second
    assert found["shuffle_per_executor"] == pytest.approx(2.0)


def test_a_backlog_is_provided_for_beside_the_load() -> None:
    """What comes in 1.75 s is no backlog at a target of a second; 19,200 rows beyond are 160/s for two minutes."""
    late = seen(last=replace(LAST, backlog=560.0 + 19_200.0))
    assert late["required"] == pytest.approx((320 + 160) * 0.5 / 100 / 0.4)
    assert late["required_ahead"] == pytest.approx(late["required"])
    for backlog in (560.0, None):
        assert seen(last=replace(LAST, backlog=backlog))["required"] == pytest.approx(4.0)


def test_without_an_edge_the_load_is_expected_to_stay() -> None:
    found = seen()
    assert (found["forecast_known"], found["forecast_noise"]) == (0.0, 0.0)
    assert found["required_ahead"] == found["required"]


def test_signals_that_scatter_are_as_good_as_none() -> None:
    scattered = [
        EdgeSignal(
            time=NOW - 10 * i, horizon_s=60, predicted_rate=320.0 * (1.3 if i % 2 else 1.0), probability=0.5, alarm=True
        )
        for i in range(29, -1, -1)
    ]
    found, without = seen(signal=scattered[-1], signals=scattered), seen()
    assert found["forecast_noise"] == pytest.approx(0.262 / 0.79, rel=1e-2)
    assert {**found, "forecast_noise": 0.0} == without


def test_what_was_not_measured_is_missing() -> None:
    found = seen(cost=None, batch=None)
    assert found.get("required") is None
    assert found.get("working_set") is None
    assert found["lateness"] is None
    assert found["in_force"] == 6.0


def test_the_floor_is_the_highest_proposal_of_the_window() -> None:
    history = History(
        since=0.0,
        allocation=allocation(executors=8),
        proposals=(Proposal(NOW - 130, 7), Proposal(NOW - 110, 5), Proposal(NOW - 10, 4)),
    )
    assert stable_floor(history, now=NOW, window_s=120.0) == 5
    assert stable_floor(history, now=NOW, window_s=2000.0) == 8
