"""A job file played in virtual time: the same decision code, the same envelope, no cluster."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sparkiot_policies import library
from sparkiot_policies.allocation import format_memory
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.errors import ArtifactError, PolicyError
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_policies.rules import RULES, Rule, names_rule, rule
from sparkiot_sim.episode import Episode, run_episode
from sparkiot_sim.shadow.trial import Trial
from sparkiot_sim.timeline import Timeline
from sparkiot_sim.trace import TraceError, read_trace
from sparkiot_sim.workload import Workload

from .promotion.terms import preset_of, terms_of
from .resource import API_VERSION, KIND
from .resource.base import seconds
from .resource.spec import Simulation, SparkIoTJobSpec
from .resource.translate import InvalidSpecError, parse_spec, to_job
from .simulation import generated_workload, simulated_job, starting_at
from .times import timestamp


class OfflineError(Exception):
    """A job file, a load or a policy that cannot be played; the message says which, where and why."""


@dataclass(frozen=True, slots=True)
class OfflineJob:
    """A job file, read and checked."""

    name: str
    spec: SparkIoTJobSpec
    simulation: Simulation
    job: Job


@dataclass(frozen=True, slots=True)
class Load:
    """What arrives; ``source`` is what messages call it, ``warnings`` what was irregular in a recording."""

    workload: Workload
    source: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One policy's run of a job under a load. trial: of a job that was played in mode Shadow."""

    job: OfflineJob
    policy: str
    episode: Episode
    elapsed_s: float
    trial: Trial | None = None

    def summary(self) -> dict[str, Any]:
        """Policy name, the episode's summary, how many cycles a second were played, and what a trial came to."""
        cycles = len(self.episode.cycles)
        return {
            "policy": self.policy,
            **self.episode.summary.to_dict(),
            "cycles": cycles,
            "cycles_per_second": round(cycles / self.elapsed_s),
            **({"shadow": _outcome(self.trial)} if self.trial is not None else {}),
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row a decision, for a CSV."""
        columns = self.episode.columns()
        return [
            {
                "policy": self.policy,
                **{name: _number(column[i]) for name, column in columns.items()},
                "time": timestamp(cycle.decision.time),
                "memory": format_memory(cycle.decision.allocation.memory_mib),
                "tier": cycle.decision.allocation.tier.value,
                "compression": cycle.decision.allocation.compression.value,
                "reason": cycle.decision.reason.value,
                "clamps": " ".join(clamp.code.value for clamp in cycle.decision.clamps),
            }
            for i, cycle in enumerate(self.episode.cycles)
        ]

    def timeline(self) -> Timeline:
        columns, summary = self.episode.columns(), self.episode.summary
        names = ("time", "rate", "predicted", "burst", "wanted", "running", "tier", "latency_ms")
        return Timeline(
            name=self.policy,
            subtitle=f"attainment {summary.slo_attainment:.2%}, ${summary.cost_dollars:.2f}",
            latency_target_ms=self.job.job.objectives.latency_target_ms,
            **{name: columns[name] for name in names},
        )


def load_job(path: Path) -> OfflineJob:
    """Read a SparkIoTJob manifest. Raises OfflineError naming file, field, value and what is allowed."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OfflineError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise OfflineError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    return parse_job(document, source=str(path))


def parse_job(document: Any, *, source: str) -> OfflineJob:
    """Check a SparkIoTJob manifest; ``source`` is what messages call it. Raises OfflineError as ``load_job``."""
    if not isinstance(document, Mapping) or (document.get("apiVersion"), document.get("kind")) != (API_VERSION, KIND):
        raise OfflineError(f"{source}: not a {KIND} of {API_VERSION}")
    try:
        spec = parse_spec(document.get("spec") or {})
    except InvalidSpecError as error:
        raise OfflineError(f"{source}: {error}") from error
    if spec.simulation is None:
        raise OfflineError(f"{source}: spec.simulation is absent; it says which load to play")
    name = (document.get("metadata") or {}).get("name") or source
    return OfflineJob(name, spec, spec.simulation, to_job(name, spec))


def load_workload(job: OfflineJob, *, trace: Path | None, mean_rate: float | None) -> Load:
    """The load to play: ``trace``, or what the job generates. Raises OfflineError."""
    if trace is None:
        workload = generated_workload(job.simulation)
        if workload is None:
            raise OfflineError(
                f"job {job.name} takes its load from a ConfigMap, which only a cluster has: pass --trace"
            )
        load = Load(workload, f"generated load of {job.name}")
    else:
        try:
            read = read_trace(trace)
        except TraceError as error:
            raise OfflineError(str(error)) from error
        load = Load(read.workload, trace.name, read.report.warnings())
        stated = job.simulation.workload.trace
        mean_rate = mean_rate or (stated.mean_rate if stated else None)
    return replace(load, workload=load.workload.scaled(mean_rate)) if mean_rate else load


def play(job: OfflineJob, load: Load, *, policy: str | None, duration_s: float | None, origin: float) -> Run:
    """Play a job from ``origin`` (epoch seconds). policy: see ``find_policy``; None for the job's own, in its mode.

    A policy that is named acts, whatever the job's mode. A rival is played as itself: no rule helps it out, and it
    keeps its own platform's pace (``Rule.limits``).
    duration_s: seconds of job time; None for the job's own, else one cycle of the load.
    Raises OfflineError: the policy cannot be loaded, or the run is shorter than one interval.
    """
    stated = job.simulation.duration
    own = seconds(stated) if stated else load.workload.duration_s
    duration = own if duration_s is None else duration_s
    if duration < job.job.interval_s:
        raise OfflineError(f"a run of {duration:g} s is shorter than one interval of {job.job.interval_s:g} s")
    try:
        chosen, meta = find_policy(policy or job.spec.policy.name), _meta(job)
        rival = chosen if policy and isinstance(chosen, Rule) else None
        fallback = rival or rule(job.spec.policy.fallback)
    except PolicyError as error:
        raise OfflineError(str(error)) from error
    stands = replace(job.job, mode=Mode.ACTIVE) if policy else job.job
    decided = replace(stands, limits=rival.limits(stands.limits)) if rival else stands
    trial = _trial(job, chosen, fallback, meta, origin) if decided.mode is Mode.SHADOW else None
    workload = starting_at(load.workload, origin)
    simulated = simulated_job(job.simulation, workload, allocation=job.job.initial, start=origin)
    begun = time.perf_counter()
    episode = run_episode(
        job=decided,
        simulated=simulated,
        policy=chosen,
        fallback=fallback,
        meta=meta,
        duration_s=duration,
        start=origin,
        trial=trial,
    )
    elapsed = time.perf_counter() - begun
    return Run(replace(job, job=decided), policy or job.spec.policy.name, episode, elapsed, trial)


def find_policy(name: str) -> Policy:
    """A rule by its name and parameters (see ``rule``), a shipped policy by its name, or an artifact by its path.

    Raises PolicyError.
    """
    if names_rule(name):
        return rule(name)
    try:
        path = library.locate(name)
    except ArtifactError as error:
        raise PolicyError(f"{error}; rules: {', '.join(RULES)}") from None
    return LearnedPolicy(load_artifact(path))


def _trial(job: OfflineJob, policy: Policy, rule: Policy, meta: MetaController | None, origin: float) -> Trial:
    return Trial(
        job.job,
        policy=policy,
        rule=rule,
        meta=meta,
        terms=terms_of(job.spec.policy.promotion),
        preset=preset_of(job.spec, live=False),
        now=origin,
        allocation=job.job.initial,
    )


def _meta(job: OfflineJob) -> MetaController | None:
    if job.job.objectives.weights is not None:
        return None
    return LearnedMetaController(library.load(job.spec.policy.meta_controller))


def _outcome(trial: Trial) -> dict[str, Any]:
    """What the policy would have come to, by the model, and how far it got."""
    standing, evidence = trial.standing, trial.evidence
    return {
        "stage": standing.stage.value,
        "since": timestamp(standing.since),
        "promotions": standing.promotions,
        "demotions": standing.demotions,
        "verdict": trial.verdict.code.value,
        "message": trial.verdict.message,
        "attainment_error": evidence.attainment_error,
        "cost_error": evidence.cost_error,
    }


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
