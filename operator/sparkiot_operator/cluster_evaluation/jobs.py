"""A tournament's match as a custom resource of the simulated backend: the same load, cluster, signals and bounds.

The load travels as a ConfigMap, so that the operator plays the very rates that the tournament plays. Raises
UnsupportedMatchError for what a resource cannot state.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparkiot_operator.errors import OperatorError
from sparkiot_operator.resource import API_VERSION, KIND
from sparkiot_operator.resource.translate import parse_spec, to_job
from sparkiot_operator.simulation import RATE_ERROR
from sparkiot_policies.job import Job
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import Setting
from sparkiot_sim.signals import QUALITIES
from sparkiot_sim.tournament.entry import Entrant
from sparkiot_sim.tournament.matches import Match, Tournament
from sparkiot_sim.tournament.play import match_job
from sparkiot_sim.workload import Workload

LEARNED_FALLBACK = "Rate"
"""What stands in for a learned policy in a tournament; a rule plays as itself throughout."""
RULES_AS_FALLBACK = ("Rate", "RateAhead", "HPA", "Fixed")
"""Those that a resource may name as one."""
HIGHEST_FACTOR = 100.0
"""A resource's ``scaleUp.maxFactor`` goes no further; a rule that knows no such bound is not held by it either."""
TRACE_KEY = "trace.csv"
Json = dict[str, Any]


class UnsupportedMatchError(OperatorError):
    """A match that no SparkIoTJob can state; the message says which part of it."""


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """One match on the cluster. text: the load as CSV. job: what decides must see, its name aside."""

    match: Match
    name: str
    manifest: Json
    config_map: Json
    text: str
    job: Job


def cluster_job(program: Tournament, match: Match, player: Entrant, *, acceleration: float) -> ClusterJob:
    """Job and load of one match, without a namespace. Raises UnsupportedMatchError."""
    setting = program.setting(match)
    name = job_name(match)
    job = _stated(match_job(setting.job, match.entry, player))
    policy = _policy(match, player)
    spec = {
        "backend": "Simulated",
        "policy": {"name": policy, "fallback": LEARNED_FALLBACK if player.learned else policy},
        "objectives": _objectives(job),
        "scaling": _scaling(job),
        "simulation": {
            "workload": {"trace": {"configMapKeyRef": {"name": name, "key": TRACE_KEY}}},
            "profile": _profile(match),
            "preset": match.round.preset,
            "seed": match.round.seed,
            "edge": _edge(setting, quality=match.entry.signal or program.quality),
            "acceleration": acceleration,
            "duration": f"{program.duration_s:g}s",
        },
    }
    _check(match, spec, job)
    text = trace_csv(setting)
    metadata = {"name": name}
    return ClusterJob(
        match=match,
        name=name,
        manifest={"apiVersion": API_VERSION, "kind": KIND, "metadata": {**metadata}, "spec": spec},
        config_map={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata}, "data": {TRACE_KEY: text}},
        text=text,
        job=job,
    )


def job_name(match: Match) -> str:
    """Of a match, as Kubernetes allows it."""
    played = match.round
    parts = (match.entry.name, played.load.name, f"{played.load.mean_rate:g}", played.preset, str(played.seed))
    text = "-".join(parts).lower()
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text).strip("-")


def trace_csv(setting: Setting) -> str:
    """The load from the match's beginning on, as the CSV of a ConfigMap: the operator begins a trace at its start."""
    workload = _begun_at(setting.workload, setting.start)
    rows = (f"{time:.3f},{rate!r}" for time, rate in zip(workload.times.tolist(), workload.rates.tolist(), strict=True))
    return "\n".join(("timestamp,value", *rows)) + "\n"


def _begun_at(workload: Workload, start: float) -> Workload:
    """The load that repeats, with its cycle cut at ``start``, which must be the time of one of its steps."""
    index = int(np.searchsorted(workload.times, start))
    if index == 0 and start == workload.start:
        return workload
    if index >= workload.times.size or workload.times[index] != start:
        raise UnsupportedMatchError(f"load {workload.name}: no step of it begins at the match's start")
    times = np.concatenate((workload.times[index:], workload.times[:index] + workload.duration_s))
    return replace(workload, times=times, rates=np.roll(workload.rates, -index), end=start + workload.duration_s)


def _policy(match: Match, player: Entrant) -> str:
    """A resource names a policy; it has no parameters, and its weights are the objectives'."""
    entry = match.entry
    if entry.delay or entry.tier is not None:
        raise UnsupportedMatchError(f"{entry.name}: a job cannot be told to see late or to use one tier alone")
    name, *settings = entry.policy.split(":")
    if "/" in name or any(not s.startswith(("weights=", "cost=", "latency=", "throughput=")) for s in settings):
        raise UnsupportedMatchError(f"{entry.policy}: a job's policy is a name of the operator's, without parameters")
    if not player.learned and name not in RULES_AS_FALLBACK:
        raise UnsupportedMatchError(
            f"{name}: a job cannot name it as its own fallback; choose {', '.join(RULES_AS_FALLBACK)}"
        )
    return name


def _objectives(job: Job) -> Json:
    objectives = job.objectives
    found: Json = {"latency": {"target": f"{objectives.latency_target_ms:g}ms", "quantile": objectives.quantile}}
    if objectives.weights is None:
        return {**found, "scenario": "Auto"}
    weights = objectives.weights
    return {**found, "weights": {"cost": weights.cost, "latency": weights.latency, "throughput": weights.throughput}}


def _stated(job: Job) -> Job:
    """The job as far as a resource can state its bounds."""
    return replace(job, limits=replace(job.limits, max_up_factor=min(job.limits.max_up_factor, HIGHEST_FACTOR)))


def _scaling(job: Job) -> Json:
    """Interval and pace; all other bounds are the resource's defaults, as they are a tournament's."""
    limits = job.limits
    return {
        "interval": f"{job.interval_s:g}s",
        "metricsWindow": f"{job.metrics_window_s:g}s",
        "staleAfter": f"{limits.stale_after_s:g}s",
        "scaleUp": {
            "maxStep": limits.max_up_step,
            "maxFactor": limits.max_up_factor,
            "cooldown": f"{limits.cooldown_up_s:g}s",
        },
        "scaleDown": {
            "stabilization": f"{limits.stabilization_s:g}s",
            "maxFactor": limits.max_down_factor,
            "cooldown": f"{limits.cooldown_down_s:g}s",
        },
    }


def _profile(match: Match) -> str:
    source = match.round.load.source
    if not isinstance(source, Kind):
        raise UnsupportedMatchError(f"{match.round.load.name}: recorded loads are compared with `sparkiot simulate`")
    return source.value


def _edge(setting: Setting, *, quality: str) -> Json | None:
    found = QUALITIES[quality]
    if found is None:
        return None
    if found.rate_error != RATE_ERROR:
        raise UnsupportedMatchError(
            f"signals {quality}: a job states which bursts its edge sees, not how well it tells their rate; choose"
            " measured or none"
        )
    return {"recall": found.recall, "falseAlarms": found.false_alarms, "lead": f"{setting.lead_s:g}s"}


def _check(match: Match, spec: Json, job: Job) -> None:
    """The resource must mean the match's job: a difference would be found in decisions, where nobody can read it."""
    seen = to_job(job.name, parse_spec(spec))
    different = [name for name in Job.__dataclass_fields__ if getattr(seen, name) != getattr(job, name)]
    if different:
        raise UnsupportedMatchError(
            f"{match.entry.name}: a job cannot state its {', '.join(different)}:"
            f" {', '.join(f'{getattr(job, name)} becomes {getattr(seen, name)}' for name in different)}"
        )
