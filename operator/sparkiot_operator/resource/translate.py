"""From a resource's ``spec`` to the values that decisions know. Pure; what is wrong comes back as problems."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from pydantic import ValidationError

from sparkiot_operator.crd import build_crd
from sparkiot_policies.allocation import Allocation, Compression, Tier, parse_memory
from sparkiot_policies.job import ExcludedPeriod, Job, Limits
from sparkiot_policies.objectives import Objectives, Weights, pinned_weights
from sparkiot_sim.devcluster.schema import StructuralSchema

from .base import seconds
from .shuffle import Shuffle
from .spec import Edge, ExcludedPeriodSpec, ObjectivesSpec, Scaling, SparkIoTJobSpec

AUTO_TIERS = (Tier.HOT, Tier.WARM, Tier.COLD)
"""What ``tier: Auto`` may choose: an archive answers in minutes to hours, so a user must name it."""


SIMULATED_MEMORY_MIB = 4096
LIVE_MEMORY_MIB = 2048
"""Of one executor at a job's start; one that runs out of it raises the job's floor."""
READ_AT_ONCE = "GLACIER_IR"
"""The archive's storage class that needs no restore."""
LOCAL_TIERS = (Tier.WARM,)
"""What every live job has: its executors' own disks."""


_CREDENTIALS = re.compile(r"//[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One thing that is wrong in a spec: where (``spec.scaling.executors.min``), what was found, what is allowed."""

    field: str
    value: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message} (found {self.value})"


class InvalidSpecError(Exception):
    """A spec that cannot be acted on; ``problems`` is never empty."""

    def __init__(self, problems: list[SpecProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


def parse_spec(spec: Mapping[str, Any]) -> SparkIoTJobSpec:
    """The typed spec. Raises InvalidSpecError that names every offending field, its value and what is allowed.

    The API server refuses most of it already; this is for servers without CEL and for files that never met a server.
    """
    try:
        parsed = SparkIoTJobSpec.model_validate(_without_nulls(spec))
    except ValidationError as error:
        raise InvalidSpecError([_problem(e) for e in error.errors(include_url=False)]) from None
    if problems := [*_rule_problems(spec), *_time_zone_problems(parsed.scaling.excluded_periods)]:
        raise InvalidSpecError(problems)
    return parsed


def to_job(name: str, spec: SparkIoTJobSpec, *, live: bool = False) -> Job:
    """What the decision knows of a job called ``namespace/name``. live: real Spark runs it."""
    scaling = spec.scaling
    interval = seconds(scaling.interval)
    limits = _limits(scaling, spec, interval, live=live)
    return Job(
        name=name,
        initial=_initial(limits, memory_mib=LIVE_MEMORY_MIB if live else SIMULATED_MEMORY_MIB),
        mode=scaling.mode,
        objectives=_objectives(spec.objectives),
        limits=limits,
        interval_s=interval,
        metrics_window_s=seconds(scaling.metrics_window) if scaling.metrics_window else max(5 * interval, 120.0),
        slo_window_s=seconds(scaling.slo_window),
    )


def _initial(limits: Limits, *, memory_mib: int) -> Allocation:
    """The smallest start that is likely to work: a fifth of the executors' range, Warm or the first allowed tier."""
    span = limits.max_executors - limits.min_executors
    return Allocation(
        executors=limits.override or limits.min_executors + span // 5,
        memory_mib=min(max(memory_mib, limits.min_memory_mib), limits.max_memory_mib),
        tier=Tier.WARM if Tier.WARM in limits.tiers else limits.tiers[0],
        compression=Compression.LZ4 if Compression.LZ4 in limits.compressions else limits.compressions[0],
    )


def _objectives(spec: ObjectivesSpec) -> Objectives:
    w = spec.weights
    weights = Weights(w.cost, w.latency, w.throughput) if w else None
    return Objectives(
        weights=pinned_weights(spec.scenario, weights),
        latency_target_ms=seconds(spec.latency.target) * 1000,
        quantile=spec.latency.quantile,
        budget_per_hour=float(spec.budget_per_hour) if spec.budget_per_hour else None,
    )


def _limits(scaling: Scaling, spec: SparkIoTJobSpec, interval: float, *, live: bool) -> Limits:
    edge = spec.edge or Edge()
    return Limits(
        min_executors=scaling.executors.min,
        max_executors=scaling.executors.max,
        override=scaling.executors.override,
        min_memory_mib=parse_memory(scaling.memory.min),
        max_memory_mib=parse_memory(scaling.memory.max),
        tiers=_tiers(spec.shuffle, live=live),
        compressions=_compressions(spec.shuffle, live=live),
        max_up_factor=scaling.scale_up.max_factor,
        max_up_step=scaling.scale_up.max_step,
        max_down_factor=scaling.scale_down.max_factor,
        stabilization_s=seconds(scaling.scale_down.stabilization),
        cooldown_up_s=seconds(scaling.scale_up.cooldown),
        cooldown_down_s=seconds(scaling.scale_down.cooldown),
        cooldown_shuffle_s=seconds(scaling.shuffle_cooldown),
        restart_min_interval_s=seconds(scaling.restart.min_interval),
        restart_cost_s=seconds(scaling.restart.cost),
        restart_horizon_s=seconds(scaling.restart.horizon),
        excluded=tuple(_excluded(p) for p in scaling.excluded_periods),
        stale_after_s=seconds(scaling.stale_after) if scaling.stale_after else max(3 * interval, 30.0),
        signal_stale_after_s=seconds(edge.signal.stale_after),
        fallback_s=seconds(scaling.fallback_duration),
    )


def _tiers(shuffle: Shuffle, *, live: bool) -> tuple[Tier, ...]:
    if shuffle.tier != "Auto":
        return (Tier(shuffle.tier),)
    if live:
        return _stated_tiers(shuffle)
    return (*AUTO_TIERS, Tier.ARCHIVE) if shuffle.tiers.archive else AUTO_TIERS


def _compressions(shuffle: Shuffle, *, live: bool) -> tuple[Compression, ...]:
    if shuffle.compression != "Auto":
        return (Compression(shuffle.compression),)
    if live and _stated_tiers(shuffle) == LOCAL_TIERS:
        # Spark's own shuffle changes its compression by a restart only, and its default is a good one.
        return (Compression.LZ4,)
    return tuple(Compression)


def _stated_tiers(shuffle: Shuffle) -> tuple[Tier, ...]:
    """What a live job can use: local disks, and the tiers whose server or volume it names."""
    stated = shuffle.tiers
    # What must be restored before it is read cannot serve a batch; only who names the tier gets it.
    archive = stated.archive if stated.archive and stated.archive.s3.storage_class == READ_AT_ONCE else None
    found = {Tier.HOT: stated.hot, Tier.WARM: LOCAL_TIERS, Tier.COLD: stated.cold, Tier.ARCHIVE: archive}
    return tuple(tier for tier, where in found.items() if where is not None)


def _excluded(period: ExcludedPeriodSpec) -> ExcludedPeriod:
    return ExcludedPeriod(
        start=time.fromisoformat(period.start),
        end=time.fromisoformat(period.end),
        days=frozenset(period.days),
        time_zone=period.time_zone,
    )


@cache
def _schema() -> StructuralSchema:
    return StructuralSchema(build_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])


def _rule_problems(spec: Mapping[str, Any]) -> list[SpecProblem]:
    """What breaks the CRD's own CEL rules, which an API server before 1.25 does not check."""
    defaulted = copy.deepcopy(_without_nulls(spec))
    _schema().apply_defaults(defaulted)
    return [
        SpecProblem(f"spec.{e.field}", _shown(_at(defaulted, e.field)), e.message.rpartition('": ')[2])
        for e in _schema().validate(defaulted, None)
    ]


def _at(value: Any, path: str) -> Any:
    """The value at a path such as ``scaling.executors.min``, None where there is none."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _time_zone_problems(periods: list[ExcludedPeriodSpec]) -> list[SpecProblem]:
    known = available_timezones() if periods else set()
    return [
        SpecProblem(
            f"spec.scaling.excludedPeriods[{i}].timeZone", repr(p.time_zone), "must be an IANA time zone such as UTC"
        )
        for i, p in enumerate(periods)
        if p.time_zone not in known
    ]


def _without_nulls(value: Any) -> Any:
    """A null field is an absent one, as API servers prune it."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    return [_without_nulls(child) for child in value] if isinstance(value, list) else value


def _problem(error: Mapping[str, Any]) -> SpecProblem:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return SpecProblem(f"spec{path}", _shown(None if error["type"] == "missing" else error["input"]), error["msg"])


def _shown(value: Any) -> str:
    """A value for a message; the credentials that a URL may hold are left out."""
    text = "nothing" if value is None else _CREDENTIALS.sub("//…@", repr(value))
    return text if len(text) < 120 else text[:117] + "..."
