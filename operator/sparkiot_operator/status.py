"""What a job's ``status`` says: pure functions from what one cycle saw and decided.

Decimals are rounded to what a person can use, so that a status does not change without its job having changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkiot_policies.allocation import Allocation, format_memory
from sparkiot_policies.decision import Decision
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.measurement import Measurement

from .allocations import allocation_status, desired_status
from .backends.base import ENDED, BackendState
from .conditions import Finding, build_conditions
from .explanation import sentence
from .promotion.stored import promotion_update
from .promotion.view import PromotionView
from .resource.status import (
    DecisionStatus,
    LatencyStatus,
    Phase,
    PolicyStatus,
    SignalStatus,
    SimulationStatus,
    SloStatus,
    SparkIoTJobStatus,
)
from .signals.watch import SignalsView
from .times import format_seconds, timestamp

Json = dict[str, Any]


STOPPED = ENDED | {Phase.SUSPENDED}
NOTHING_RUNS: Json = {"replicas": 0, "cost_per_hour": "0.00", "latency": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One turn of the loop: observe, evaluate, decide, realize.

    time: job time, epoch seconds. measurement: None when the backend could not be observed; ``observe_error`` says why.
    allocation: the one in force for the job from now on; generation: its number. state: of the backend.
    memory_floor_mib: see Controller. simulation: origin, job time. why: the sentence that explains a decision that
    changes something; empty for others.
    """

    time: float
    job: Job
    measurement: Measurement | None
    observe_error: str | None
    evaluation: Evaluation
    decision: Decision
    allocation: Allocation
    generation: int
    state: BackendState
    memory_floor_mib: int | None = None
    simulation: SimulationStatus | None = None
    signals: SignalsView | None = None
    why: str = ""
    promotion: PromotionView | None = None


def build_status(
    *,
    previous: SparkIoTJobStatus,
    phase: Phase,
    generation: int | None,
    findings: Sequence[Finding],
    cycle: Cycle | None,
    now: float,
) -> SparkIoTJobStatus:
    """The status after a turn. ``cycle``: None when nothing was observed, then the last numbers stay.

    now: real time of the turn, epoch seconds.
    """
    base = previous.model_copy(
        update={
            "phase": phase,
            "observed_generation": generation,
            "conditions": build_conditions(previous.conditions, findings, generation=generation, now=now),
        }
    )
    if cycle is not None:
        base = base.model_copy(update=_numbers(previous, cycle))
    if phase is Phase.SUSPENDED:
        base = base.model_copy(update={"applied": None, "driver": None, "shuffle": None})
    return base.model_copy(update=NOTHING_RUNS) if phase in STOPPED else base


def _numbers(previous: SparkIoTJobStatus, cycle: Cycle) -> Json:
    decision, seen = cycle.decision, cycle.evaluation.observation
    update: Json = {
        "allocation": desired_status(cycle.allocation, cycle.generation),
        "applied": cycle.state.applied,
        "driver": cycle.state.driver,
        "shuffle": cycle.state.shuffle.status if cycle.state.shuffle is not None else None,
        "memory_floor": None if cycle.memory_floor_mib is None else format_memory(cycle.memory_floor_mib),
        "recommended": allocation_status(decision.proposal),
        "simulation": cycle.simulation,
        "signal": signal_status(cycle.signals) if cycle.signals else None,
        **(promotion_update(cycle.promotion) if cycle.promotion else {}),
    }
    if decision.allocation != decision.previous or previous.decision is None:
        update["decision"] = decision_status(decision, cycle.why)
    if cycle.measurement is None:
        return update
    measured = cycle.measurement
    update["replicas"] = measured.running
    update["backlog"] = None if measured.backlog is None else round(measured.backlog)
    update["cost_per_hour"] = None if measured.cost_per_hour is None else f"{measured.cost_per_hour:.2f}"
    update["slo"] = (
        None
        if seen.attainment is None
        else SloStatus(attainment=f"{seen.attainment:.3f}", window=format_seconds(cycle.job.slo_window_s))
    )
    update["latency"] = (
        None
        if seen.latency is None
        else LatencyStatus(
            observed=format_seconds(seen.latency / 1000),
            target=format_seconds(cycle.job.objectives.latency_target_ms / 1000),
        )
    )
    return update


def signal_status(view: SignalsView) -> SignalStatus:
    return SignalStatus(
        time=None if view.time is None else timestamp(view.time),
        source=view.source,
        accepted=view.accepted,
        dropped=dict(view.dropped),
        skew=None if view.time is None else f"{view.skew_s:.1f}s",
    )


def decision_status(decision: Decision, why: str = "") -> DecisionStatus:
    """why: the sentence that explains it; empty where there is nothing to explain."""
    return DecisionStatus(
        time=timestamp(decision.time),
        reason=decision.reason.value,
        clamps=[clamp.code.value for clamp in decision.clamps],
        message=why or sentence(decision),
        policy=PolicyStatus(name=decision.acted.name, digest=decision.acted.digest),
        fallback=decision.fallback.value if decision.fallback else None,
    )


def is_urgent(old: SparkIoTJobStatus, new: SparkIoTJobStatus) -> bool:
    """Whether more than measurements differ: allocation, phase, or a condition's status or reason."""
    return _essence(old) != _essence(new)


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """The RFC 7386 patch from old to new: empty when they are equal, null for what is gone."""
    patch: Json = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif value != before:
            patch[key] = value
    return patch


def to_json(status: SparkIoTJobStatus) -> Json:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def _essence(status: SparkIoTJobStatus) -> tuple[object, ...]:
    return (
        status.phase,
        status.observed_generation,
        status.allocation,
        status.memory_floor,
        status.mode,
        (status.driver.pod_uid, status.driver.failures, status.driver.next_start) if status.driver else None,
        [(c.type, c.status, c.reason) for c in status.conditions],
    )
