"""From what is measured of a job to a cluster model of it.

What a batch costs, how large a message is, how much of it is shuffled, how much state there is, how long executors and
restarts take: all of it is measured on a running job, and replaces the constants of a calibration. What cannot be seen
from where the job stands stays the calibration's: the other tiers' speed, compression, what happens beyond memory, how
work scales with executors.

The model is held against the present layout, so that it gives back the batch that was measured: the fixed cost of a
batch is what is left of the measured one without the tier's round trips, the work of a row what is left of the measured
work without the tier's transfers, compression and spilling.
"""

from dataclasses import dataclass, replace

from sparkiot_policies.batch_cost import Cost
from sparkiot_policies.measurement import Measurement
from sparkiot_sim.calibration import Calibration, Constant, Preset
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.work import BYTES_PER_MB, WorkModel

LEAST_SHARE = 0.1
"""Of the measured work or fixed cost, what is left of it at the least, whatever the calibration takes off."""
LEAST_TRIGGER_S = 0.05
"""Trigger interval of a query that starts each batch as soon as it can."""
SOURCE = "measured on the job"


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A job and its cluster, as far as they are known."""

    profile: JobProfile
    calibration: Calibration
    preset: Preset


def fit_model(
    measurement: Measurement, cost: Cost | None, *, usual_rate: float, base: Calibration, preset: str
) -> FittedModel | None:
    """The model of a running job, None while too little was measured: no batch, no load, no executor, no trigger.

    usual_rate: messages/s of the minutes that state follows. base, preset: where what cannot be measured comes from.
    Bytes, shuffle and state that nobody measured count as none, and the allocations that they would speak against look
    better than they are.
    """
    m, batch = measurement, measurement.batches[-1] if measurement.batches else None
    if cost is None or batch is None or batch.rows <= 0 or usual_rate <= 0 or not m.running or m.applied is None:
        return None
    if m.trigger_interval_s is None or m.trigger_interval_s < 0:
        return None
    volume_mb = m.volume_mb or 0.0
    guess = JobProfile(
        rate_per_executor=cost.capacity,
        message_bytes=max(volume_mb * BYTES_PER_MB / batch.rows, 1.0),
        shuffle_fraction=(m.shuffle_mb or 0.0) / volume_mb if volume_mb > 0 else 0.0,
        state_mib=(m.state_mib or 0.0) / usual_rate,
        trigger_interval_s=max(m.trigger_interval_s, LEAST_TRIGGER_S),
        temperature=0.5 if m.temperature is None else m.temperature,
        most_rows=None,
    )
    modelled = WorkModel(profile=guess, calibration=base, allocation=m.applied).batch(
        rows=batch.rows, state_mib=m.state_mib or 0.0, executors=m.running, temperature=guess.temperature
    )
    shared_s = batch.rows / (m.running * cost.capacity)
    transfers_s = modelled.duration_s - modelled.fixed_s - modelled.cpu_s
    round_trips_s = modelled.fixed_s - base.batch.fixed_s.value
    cpu_s = max(shared_s - transfers_s, LEAST_SHARE * shared_s)
    fixed_s = max(cost.overhead_s - round_trips_s, LEAST_SHARE * cost.overhead_s)
    return FittedModel(
        profile=replace(guess, rate_per_executor=_rate(guess, base, m, slower=cpu_s / modelled.cpu_s)),
        calibration=base.model_copy(
            update={"batch": base.batch.model_copy(update={"fixed_s": _measured(base.batch.fixed_s, fixed_s)})}
        ),
        preset=_preset(base.preset(preset), m),
    )


def _rate(guess: JobProfile, base: Calibration, m: Measurement, *, slower: float) -> float:
    """Messages/s of one executor, so that with compression a message takes ``slower`` times what was guessed."""
    row_s, compressing_s = 1 / guess.rate_per_executor, 0.0
    throughput = base.compression[m.applied.compression].throughput_mb_s if m.applied else None
    if throughput is not None:
        compressing_s = guess.message_bytes * guess.shuffle_fraction / BYTES_PER_MB / throughput.value
    whole_s = slower * (row_s + compressing_s)
    return 1 / max(whole_s - compressing_s, LEAST_SHARE * whole_s)


def _preset(base: Preset, m: Measurement) -> Preset:
    """With the times that were measured; no executor is lost, as nobody knows which would have been."""
    known = {"losses_per_hour": 0.0, "startup_s": m.startup_s, "restart_s": m.restart_cost_s}
    changes = {name: _measured(getattr(base, name), value) for name, value in known.items() if value is not None}
    return base.model_copy(update=changes)


def _measured(constant: Constant, value: float) -> Constant:
    return constant.model_copy(update={"value": value, "source": SOURCE})
