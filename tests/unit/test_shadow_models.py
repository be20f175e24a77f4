"""The models behind a policy in shadow: a load that becomes known as it goes, the fit of a job, its twins."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import BALANCED, NOW, allocation, job, measurement

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_policies.batch_cost import Cost
from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_sim.calibration import calibration_with
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.shadow.fitted import FittedModel, fit_model
from sparkiot_sim.shadow.observed import ObservedLoad
from sparkiot_sim.shadow.twins import Twins
from sparkiot_sim.work import WorkModel

PRESET = "edge-small"
BASE = calibration_with(PRESET)


def fitted(seen: Measurement, cost: Cost, usual_rate: float = 100.0) -> FittedModel | None:
    return fit_model(seen, cost, usual_rate=usual_rate, base=BASE, preset=PRESET)


def test_a_load_is_the_sum_of_what_was_observed() -> None:
    load = ObservedLoad(NOW, rate=7)
    assert (load.rate_at(NOW), load.mean_rate) == (7, 0)
    load.extend(NOW + 10, 100)
    middle = load.until(NOW + 4)
    load.extend(NOW + 30, 40)
    assert load.between(middle, load.until(NOW + 15)) == 600 + 200
    assert load.arrivals(NOW + 10, NOW + 30) == 800
    assert load.mean_rate == 60
    assert load.rate_at(NOW + 20) == 40


@pytest.mark.parametrize(("end", "rate"), [(NOW - 1, 1), (NOW + 1, -1)])
def test_a_load_refuses_time_that_goes_back_and_less_than_nothing(end: float, rate: float) -> None:
    with pytest.raises(ValueError, match="neither may go below"):
        ObservedLoad(NOW, rate=0).extend(end, rate)


@given(
    speed=st.floats(20, 500),
    size=st.floats(100, 50_000),
    shuffle=st.floats(0, 1),
    compression=st.sampled_from(list(Compression)),
    tier=st.sampled_from([Tier.HOT, Tier.WARM, Tier.COLD]),
    executors=st.integers(1, 20),
    gib=st.floats(1, 8),
)
def test_the_fit_gives_back_the_batch_that_was_measured(
    *, speed: float, size: float, shuffle: float, compression: Compression, tier: Tier, executors: int, gib: float
) -> None:
    """What the model itself makes of a job is measured, as an observer does; the fitted model then repeats it."""
    true = JobProfile(rate_per_executor=speed, message_bytes=size, shuffle_fraction=shuffle, state_mib=4)
    placed = allocation(executors, gib=gib, tier=tier, compression=compression)
    rows, rate = 100.0 * executors, 200.0
    batch = WorkModel(profile=true, calibration=BASE, allocation=placed).batch(
        rows=rows, state_mib=4 * rate, executors=executors, temperature=0.5
    )
    if batch.out_of_memory:
        return
    seen = measurement(
        NOW,
        rate=rate,
        running=executors,
        applied=placed,
        volume_mb=rows * size / 1e6,
        shuffle_mb=rows * size * shuffle / 1e6,
        state_mib=4 * rate,
        trigger_interval_s=0.5,
        batches=(Batch(NOW, rows, batch.duration_s, 900),),
    )
    cost = Cost(batch.fixed_s, rows / executors / (batch.duration_s - batch.fixed_s))
    found = fitted(seen, cost, rate)
    assert found is not None
    again = WorkModel(profile=found.profile, calibration=found.calibration, allocation=placed).batch(
        rows=rows, state_mib=4 * rate, executors=executors, temperature=0.5
    )
    assert again.duration_s == pytest.approx(batch.duration_s, rel=1e-6)
    assert again.shuffle_gib == pytest.approx(batch.shuffle_gib, rel=1e-6, abs=1e-12)
    assert found.profile.state_mib == pytest.approx(4)


def test_measured_times_replace_those_of_the_calibration() -> None:
    found = fitted(measurement(NOW, startup_s=33.0, restart_cost_s=None), Cost(0.5, 50))
    assert found is not None
    assert found.preset.startup_s.value == 33
    assert found.preset.startup_s.source == "measured on the job"
    assert found.preset.restart_s == BASE.preset(PRESET).restart_s, "nobody measured one"


@pytest.mark.parametrize(
    "changes",
    [{"batches": ()}, {"running": 0}, {"applied": None}, {"trigger_interval_s": None}],
)
def test_without_a_batch_an_executor_or_a_trigger_there_is_no_model(changes: dict[str, object]) -> None:
    assert fitted(measurement(NOW, **changes), Cost(0.5, 50)) is None
    assert fit_model(measurement(NOW), None, usual_rate=1, base=BASE, preset=PRESET) is None
    assert fitted(measurement(NOW), Cost(0.5, 50), usual_rate=0) is None


def twins(**candidate: int) -> Twins:
    """At four executors of 2 GiB by the rule, or as said by the policy; 100 messages/s, 50 of an executor."""
    model = fitted(measurement(NOW), Cost(0.5, 50))
    assert model is not None
    return Twins(model, measurement(NOW), job=job(), rule=allocation(4), candidate=allocation(**candidate))


def test_what_decides_alike_comes_to_the_same() -> None:
    pair = twins(executors=4)
    for number in range(1, 31):
        found = pair.advance(measurement(NOW + 10 * number), job=job(), weights=BALANCED, agreed=True)
        assert found is not None
        assert found.candidate == found.rule
        assert found.regret == 0
        pair.apply(rule=allocation(4 + number % 2), candidate=allocation(4 + number % 2))


def test_half_the_executors_cost_half_and_what_was_measured_is_told_apart() -> None:
    """Ten seconds of two executors of 2 GiB at $0.20 an hour each, beside four; $0.80 an hour were measured."""
    found = twins(executors=2).advance(measurement(NOW + 10), job=job(), weights=BALANCED, agreed=False)
    assert found is not None
    assert found.seconds == 10
    assert found.candidate.dollars == pytest.approx(0.4 * 10 / 3600, rel=1e-2)
    assert found.rule.dollars == pytest.approx(0.8 * 10 / 3600, rel=1e-2)
    assert found.measured.dollars == pytest.approx(0.8 * 10 / 3600)
    assert (found.measured.batches, found.measured.met) == (1, 1)


def test_what_was_not_measured_is_not_scored() -> None:
    pair = twins(executors=4)
    assert pair.advance(measurement(NOW), job=job(), weights=BALANCED, agreed=True) is None, "no newer"
    assert pair.advance(measurement(NOW + 10, rate=None), job=job(), weights=BALANCED, agreed=True) is None
    found = pair.advance(measurement(NOW + 10, cost_per_hour=None), job=job(), weights=BALANCED, agreed=True)
    assert found is not None
    assert found.measured.seconds == 0
    assert replace(found.measured, batches=0, met=0).cost_per_hour is None
