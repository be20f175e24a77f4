"""From ``spec.simulation`` to the simulator's parts; the operator's backend and ``sparkiot simulate`` share it."""

from functools import lru_cache

from sparkiot_policies.allocation import Allocation
from sparkiot_sim.generators import DAY_S, Kind, generate
from sparkiot_sim.profile import example_profile
from sparkiot_sim.signals import EdgeModel, SignalQuality
from sparkiot_sim.simulated import SimulatedJob
from sparkiot_sim.trace import parse_trace
from sparkiot_sim.workload import Workload

from .resource.base import seconds
from .resource.spec import Simulation

GENERATED_STEP_S = 60.0
"""Resolution of generated load: fine enough for bursts of minutes, small enough for hundreds of jobs."""
RATE_ERROR = 0.1
"""Relative error of the edge's predicted rate; the resource states only which bursts it sees."""


def generated_workload(spec: Simulation) -> Workload | None:
    """A day of generated load that repeats, or None when the spec names a trace."""
    generator = spec.workload.generator
    return _generated(Kind(generator.kind), generator.mean_rate, spec.seed) if generator else None


def trace_workload(text: str, *, name: str, mean_rate: float | None) -> Workload:
    """The load of a CSV, scaled to a mean in messages/s when one is given. Raises TraceError naming ``name``."""
    workload = parse_trace(text, name=name).workload
    return workload.scaled(mean_rate) if mean_rate else workload


def starting_at(workload: Workload, origin: float) -> Workload:
    """The same load, begun at ``origin``, epoch seconds."""
    return workload.begun_at(origin)


def simulated_job(
    spec: Simulation, workload: Workload, *, allocation: Allocation, start: float, backlog: float = 0.0
) -> SimulatedJob:
    """The simulated job that a spec describes, under a load. Raises ValueError for edge signals that cannot be."""
    generator = spec.workload.generator
    domain = spec.profile or (generator.kind if generator else "SmartCity")
    edge = None
    if spec.edge:
        quality = SignalQuality(recall=spec.edge.recall, false_alarms=spec.edge.false_alarms, rate_error=RATE_ERROR)
        edge = EdgeModel(workload, quality, seed=spec.seed, lead_s=seconds(spec.edge.lead))
    return SimulatedJob(
        profile=example_profile(Kind(domain), spec.preset),
        workload=workload,
        edge=edge,
        allocation=allocation,
        start=start,
        seed=spec.seed,
        preset=spec.preset,
        backlog=backlog,
    )


@lru_cache(maxsize=64)
def _generated(kind: Kind, mean_rate: float, seed: int) -> Workload:
    """Jobs of one recipe share one load."""
    return generate(kind, mean_rate=mean_rate, duration_s=DAY_S, step_s=GENERATED_STEP_S, seed=seed)
