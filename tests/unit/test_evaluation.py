"""From measurements to what a policy sees."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import NOW, allocation, history, job, measurement

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_policies.evaluation import Evaluation, Window, evaluate, with_weights
from sparkiot_policies.measurement import Batch, EdgeSignal, Measurement
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights
from sparkiot_policies.observation import Observation, names


def window(*measurements: Measurement, metrics_s: float = 120.0, slo_s: float = 3600.0) -> Window:
    w = Window(metrics_s=metrics_s, slo_s=slo_s)
    for m in measurements:
        w.add(m, latency_target_ms=1000.0)
    return w


def seen(
    *measurements: Measurement, signal: EdgeSignal | None = None, now: float | None = None, **limits: Any
) -> Evaluation:
    last = measurements[-1].time if measurements else NOW
    return evaluate(
        job=job(**limits),
        window=window(*measurements),
        history=history(),
        signal=signal,
        now=last if now is None else now,
    )


def signal(time: float, **changes: Any) -> EdgeSignal:
    plain = EdgeSignal(time=time, horizon_s=60.0, predicted_rate=400.0, probability=0.9, alarm=True)
    return replace(plain, **changes)


def backlogs(*values: float | None, **changes: Any) -> bool | None:
    measured = [measurement(NOW + 10 * i, backlog=v, **changes) for i, v in enumerate(values)]
    return window(*measured).backlog_growing()


def test_every_element_comes_from_what_was_measured() -> None:
    applied = allocation(4, gib=3, tier=Tier.COLD, compression=Compression.ZSTD)
    noon = 43_200.0
    zeroth, first = measurement(noon - 20, rate=80.0), measurement(noon - 10, rate=60.0)
    second = measurement(noon, rate=100.0, startup_s=40.0, applied=applied)
    expected = Observation(
        workload_rate=100.0,
        data_volume=50.0,
        cpu=50.0,
        memory=50.0,
        latency=900.0,
        cost_rate=0.8,
        weight_cost=1 / 3,
        weight_latency=1 / 3,
        weight_throughput=1 / 3,
        shuffle_size=10.0,
        temperature=0.5,
        predicted_rate=100.0,
        burst=0.0,
        backlog=200.0,
        running=4,
        pending=0,
        trigger_interval=10.0,
        latency_target=1000.0,
        batch_duration=4.0,
        capacity=62.5,  # 3,000 rows in 12 s on 4 executors
        demand=1.6,
        predicted_demand=1.6,
        backlog_work=3.2,
        memory_per_executor=3.0,
        tier=2,
        compression=2,
        startup=40.0,
        trend=1.25,
        hour_sin=math.sin(math.pi),
        hour_cos=-1.0,
        attainment=1.0,
    )
    found = seen(zeroth, first, second).observation.to_dict()
    assert {n: found[n] for n in names(2)} == pytest.approx({n: expected.to_dict()[n] for n in names(2)})
    # What version 3 adds is computed by hand in test_outlook.py.
    assert all(found[n] is not None for n in names(3))


def test_nothing_measured_is_all_missing() -> None:
    e = seen()
    assert e.observation == Observation()
    assert (e.age_s, e.backlog_growing, e.processing_rate, e.running) == (math.inf, None, None, None)


def test_a_measurement_ages_and_one_from_the_future_is_no_younger() -> None:
    assert seen(measurement(NOW), now=NOW + 75).age_s == 75.0
    assert seen(measurement(NOW), now=NOW - 75).age_s == 75.0


def test_what_was_not_measured_is_missing() -> None:
    e = seen(Measurement(time=NOW))
    missing = set(e.observation.missing(2))
    assert {"workload_rate", "cpu", "latency", "backlog", "capacity", "demand", "attainment", "tier"} <= missing


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_become_missing(wrong: float) -> None:
    bad = Batch(time=NOW, rows=wrong, duration_s=4.0, latency_ms=900.0)
    good = Batch(time=NOW, rows=1000.0, duration_s=4.0, latency_ms=800.0)
    m = measurement(NOW, rate=wrong, backlog=wrong, cpu=wrong, memory=wrong, batches=(bad, good), startup_s=wrong)
    e = seen(m)
    o = e.observation
    assert (o.workload_rate, o.backlog, o.cpu, o.memory, o.startup, e.backlog_growing) == (None,) * 6
    assert (o.latency, e.processing_rate) == (800.0, 250.0)


def test_the_edge_is_believed_while_it_is_fresh() -> None:
    looks = [measurement(NOW + 10 * i) for i in (-2, -1, 0)]
    fresh = seen(*looks, signal=signal(NOW - 30))
    assert (fresh.observation.predicted_rate, fresh.observation.burst, fresh.signal_fresh) == (400.0, 1.0, True)
    assert fresh.observation.predicted_demand == 6.4


@pytest.mark.parametrize("bad", [signal(NOW - 31), signal(NOW + 31), signal(NOW, predicted_rate=math.nan)])
def test_without_a_usable_signal_the_rate_is_expected_to_stay(bad: EdgeSignal) -> None:
    e = seen(measurement(NOW), signal=bad)
    assert (e.observation.predicted_rate, e.observation.burst, e.signal_fresh) == (100.0, 0.0, False)
    assert seen(measurement(NOW)).signal_fresh is None


def test_latency_is_taken_at_the_quantile_by_nearest_rank() -> None:
    batches = tuple(Batch(time=NOW, rows=10.0, duration_s=1.0, latency_ms=float(ms)) for ms in range(1, 21))
    w = window(measurement(NOW, batches=batches))
    assert [w.latency_ms(q) for q in (0.05, 0.5, 0.95, 0.96, 1.0)] == [1.0, 10.0, 19.0, 20.0, 20.0]
    assert window(measurement(NOW, batches=())).latency_ms(0.95) is None


def test_attainment_counts_batches_in_the_slo_window() -> None:
    late = (Batch(time=NOW, rows=1.0, duration_s=1.0, latency_ms=1001.0),)
    w = window(measurement(NOW, batches=late), measurement(NOW + 60), measurement(NOW + 90), slo_s=90.0)
    assert w.attainment == pytest.approx(2 / 3)
    w.add(measurement(NOW + 91), latency_target_ms=1000.0)
    assert w.attainment == 1.0


def test_an_older_measurement_is_ignored() -> None:
    w = window(measurement(NOW), measurement(NOW, rate=5.0), measurement(NOW - 10, rate=5.0))
    assert w.rates() == [100.0]


def test_the_capacity_outlives_batches() -> None:
    """Of a window without any, the last few stay."""
    looks = [measurement(NOW + 10 * i) for i in range(6)]
    w = window(*looks, measurement(NOW + 500, batches=()), metrics_s=60.0)
    assert (w.processing_rate(), w.capacity) == (250.0, 62.5)


def test_the_backlog_grows_when_it_exceeds_its_mean_and_the_sawtooth() -> None:
    assert backlogs(200.0, 900.0) is False  # 100 messages/s every 10 s explain 1,500
    assert backlogs(200.0, 1501.0) is True
    assert backlogs(5000.0, 3000.0, 1600.0) is False  # it is being worked off
    assert backlogs(2000.0, 2000.0) is False


def test_growth_is_unknown_without_two_backlogs_or_without_the_last() -> None:
    assert backlogs(5000.0) is None
    assert backlogs(None, 5000.0) is None
    assert backlogs(200.0, 5000.0, None) is None


def test_an_unknown_rate_or_trigger_explains_no_backlog() -> None:
    assert backlogs(100.0, 200.0, rate=None) is True
    assert backlogs(100.0, 200.0, trigger_interval_s=None) is True


def test_the_context_of_the_meta_controller() -> None:
    first, second = measurement(NOW, rate=50.0), measurement(NOW + 10, rate=150.0)
    c = seen(first, second, budget=2.0).context
    assert (c.rate_mean, c.rate_spread, c.latency_ratio, c.attainment, c.budget_burn) == (100.0, 0.5, 0.9, 1.0, 0.4)
    # without a budget: over 20 executors of 8 GiB
    assert seen(first).context.budget_burn == pytest.approx(0.8 / 10.0)


def test_out_of_memory_is_counted_over_the_window() -> None:
    assert seen(measurement(NOW, out_of_memory=1), measurement(NOW + 10, out_of_memory=2)).out_of_memory == 3
    assert seen(measurement(NOW, out_of_memory=1), measurement(NOW + 121)).out_of_memory == 0


def test_weights_are_the_jobs_then_the_last_then_balanced() -> None:
    pinned, last = Weights(1.0, 0.0, 0.0), Weights(0.0, 1.0, 0.0)

    def weights(of_job: Weights | None, of_history: Weights | None) -> Weights:
        past = history(weights=of_history)
        return evaluate(job=job(weights=of_job), window=window(), history=past, signal=None, now=NOW).weights

    assert weights(pinned, last) == pinned
    assert weights(None, last) == last
    assert weights(None, None) == SCENARIO_WEIGHTS[Scenario.BALANCED]


def test_other_weights_reach_the_observation() -> None:
    e = with_weights(seen(measurement(NOW)), Weights(0.2, 0.3, 0.5))
    o = e.observation
    assert (e.weights, o.weight_cost, o.weight_latency, o.weight_throughput) == (Weights(0.2, 0.3, 0.5), 0.2, 0.3, 0.5)


numbers = st.one_of(st.none(), st.floats(min_value=0, max_value=1e9), st.sampled_from([math.nan, math.inf, -math.inf]))
measured = st.fixed_dictionaries(
    dict.fromkeys(("rate", "backlog", "cpu", "memory", "trigger_interval_s", "cost_per_hour", "startup_s"), numbers)
)


@given(st.lists(measured, min_size=1, max_size=6))
def test_nothing_that_is_not_finite_ever_comes_out(values: list[dict[str, float | None]]) -> None:
    e = seen(*(measurement(NOW + 10 * i, **v) for i, v in enumerate(values)))
    elements = e.observation.to_dict().values()
    context = (e.context.rate_mean, e.context.rate_spread, e.context.latency_ratio, e.context.budget_burn)
    assert all(v is None or math.isfinite(v) for v in (*elements, *context, e.processing_rate))


def test_a_batch_that_outlasts_the_window_leaves_the_latency_known() -> None:
    """Else a job would be held just when it is overloaded."""
    window = Window(metrics_s=30, slo_s=3600)
    window.add(measurement(NOW, batches=(Batch(NOW, 10, 2.0, 3000.0),)), latency_target_ms=1000)
    for step in range(1, 10):
        window.add(measurement(NOW + 10 * step, batches=()), latency_target_ms=1000)
    assert window.latency_ms(0.95) == 3000.0
    assert window.last_batch == Batch(NOW, 10, 2.0, 3000.0)


def test_what_a_fresh_jvm_takes_is_not_what_batches_cost() -> None:
    def learned(uptime_s: float | None) -> float | None:
        """uptime_s: at the first of 30 looks."""
        window = Window(metrics_s=60, slo_s=3600)
        for step in range(30):
            rows = 100.0 + 10 * (step % 5)
            batch = Batch(NOW + 10 * step, rows, 1.0 + rows / 400, 3000.0)
            uptime = None if uptime_s is None else uptime_s + 10 * step
            look = measurement(NOW + 10 * step, batches=(batch,), running=4, uptime_s=uptime)
            window.add(look, latency_target_ms=1000)
        return window.net_capacity()

    assert learned(None) == pytest.approx(100)
    assert learned(600.0) == pytest.approx(100)


def test_a_cold_start_asks_for_nothing() -> None:
    """One row in 11 s, as Spark was seen to begin: 0.09 rows/s would make 4 messages/s a load for 44 executors. The
    next batches, 32 rows in 4 s each, begin after the warm-up: 8 rows/s."""
    w = Window(metrics_s=120, slo_s=3600)
    w.add(look(0, uptime_s=20.0, batch=(1.0, 11.0)), latency_target_ms=20_000)
    assert (w.capacity, w.cost) == (None, None)
    for n in range(1, 6):
        w.add(look(n, uptime_s=20.0, batch=(32.0, 4.0)), latency_target_ms=20_000)
        assert (w.capacity, w.cost) == (None, None)
    # Look 6 is the first whose batch began 60 s after the start; with look 8 there are three of them.
    found = []
    for n in range(6, 9):
        w.add(look(n, uptime_s=20.0, batch=(32.0, 4.0)), latency_target_ms=20_000)
        found.append(w.capacity)
    assert found == [None, None, 8.0]
    assert w.cost is not None
    assert w.cost.capacity == pytest.approx(32 / 3)  # a quarter of 4 s is taken for the fixed part


def look(n: int, *, uptime_s: float, batch: tuple[float, float]) -> Measurement:
    """The n-th, 8 s after the one before it, with one batch (rows, seconds) that ends with it on one executor.
    uptime_s: at look 0."""
    at = NOW + 8 * n
    done = Batch(at, batch[0], batch[1], 10_000.0)
    applied = allocation(1)
    return measurement(at, rate=4.0, running=1, applied=applied, batches=(done,), uptime_s=uptime_s + 8 * n)


def test_a_job_that_is_overloaded_from_the_start_is_measured_by_its_first_warm_batch() -> None:
    """600 rows in 200 s are three rows/s, and nobody waits for two more such batches."""
    w = Window(metrics_s=120, slo_s=3600)
    for n, batch in ((0, (9.0, 11.0)), (40, (600.0, 200.0))):
        w.add(look(n, uptime_s=20.0, batch=batch), latency_target_ms=20_000)
    assert w.capacity == 3.0


def test_where_triggers_are_long_more_than_the_window_is_measured() -> None:
    """A window of 120 s with a batch every 300 s would hold one; capacity is over the last three."""
    w = Window(metrics_s=120, slo_s=3600)
    for n, busy_s in enumerate((10.0, 10.0, 10.0, 20.0)):
        batch = Batch(NOW + 300 * n, 400.0, busy_s, 1000.0)
        w.add(measurement(NOW + 300 * n, running=4, batches=(batch,)), latency_target_ms=1000)
    assert w.capacity == 1200 / (4 * 40)
