"""The cluster's run of a match, played again offline from its audit log, decision by decision. Pure.

The twin meets the same load, cluster and signals at the times at which the operator decided, and decides with the same
code. After each comparison the operator's own decision is applied, so that one difference does not make all that follow
it; what the run comes to is therefore what the operator's decisions come to, counted as a tournament counts it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sparkiot_operator.audit import AuditRecord
from sparkiot_operator.resource.translate import parse_spec, to_job
from sparkiot_operator.simulation import simulated_job, starting_at, trace_workload
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import Decision
from sparkiot_policies.history import History
from sparkiot_policies.observation import Observation
from sparkiot_policies.rules import Rate
from sparkiot_sim.episode import Cycle, Episode, summarise
from sparkiot_sim.tournament.entry import Entrant

from .jobs import ClusterJob

CLOSE = 1e-9
"""Relative difference up to which two machines' floating-point numbers count as one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that the twin takes otherwise."""

    recorded: Decision
    offline: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """What came of it.

    decisions: recorded ones, all compared. left_out: cycles that a run on time has besides. differing: decisions that
    the twin takes otherwise. observed_otherwise: decisions before which the twin saw another observation. episode: the
    operator's decisions, played.
    """

    decisions: int
    left_out: int
    differing: tuple[Difference, ...]
    observed_otherwise: int
    episode: Episode


def twin_of(
    job: ClusterJob, player: Entrant, records: Sequence[AuditRecord], *, origin: float, duration_s: float
) -> Twin:
    """Play a match again from the operator's records: all of them, oldest first, at least one.

    origin: job time at which the operator began the load, epoch seconds. duration_s: of the match.
    """
    spec = parse_spec(job.manifest["spec"])
    if spec.simulation is None:
        raise ValueError(f"{job.name}: not a simulated job")
    first, opened = records[0].decision, records[0].evaluation.history.since
    decided = to_job(first.job, spec)
    load = starting_at(trace_workload(job.text, name=job.name, mean_rate=None), origin)
    simulated = simulated_job(spec.simulation, load, allocation=decided.initial, start=opened)
    controller = Controller(
        decided,
        policy=player.policy,
        fallback=Rate() if player.learned else player.policy,
        meta=player.meta,
        history=History(since=opened, allocation=decided.initial),
    )
    if first.time > opened:
        # The cycle that opened the job has looked, but its status could not be written, and so it decided nothing.
        controller.step(simulated.measure(), signal=simulated.signal(), now=opened)
    cycles, differing, otherwise = [], [], 0
    for record in records:
        recorded = record.decision
        simulated.advance(recorded.time)
        measurement = simulated.measure()
        evaluation, offline = controller.step(measurement, signal=simulated.signal(), now=recorded.time)
        if not same_decision(recorded, offline):
            differing.append(Difference(recorded, offline))
        otherwise += not same_observation(recorded.observation, offline.observation)
        controller.accept(record.evaluation, recorded)
        simulated.apply(recorded.allocation)
        cycles.append(Cycle(measurement, evaluation, recorded))
    simulated.advance(max(origin + duration_s, simulated.now))
    measurements = [*(cycle.measurement for cycle in cycles), simulated.measure()]
    decisions = [record.decision for record in records]
    return Twin(
        decisions=len(records),
        left_out=max(int(duration_s // decided.interval_s) - len(records), 0),
        differing=tuple(differing),
        observed_otherwise=otherwise,
        episode=Episode(tuple(cycles), summarise(decided, simulated, measurements=measurements, decisions=decisions)),
    )


def same_decision(one: Decision, other: Decision) -> bool:
    """Whether two decisions do the same for the same reasons, by the same policy."""
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("allocation", "proposal", "previous", "reason", "fallback", "policy", "acted")
    ) and [clamp.code for clamp in one.clamps] == [clamp.code for clamp in other.clamps]


def same_observation(one: Observation, other: Observation) -> bool:
    """Whether all numbers are the same, as far as two machines calculate alike."""
    return all(_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(Observation))


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return one == other
