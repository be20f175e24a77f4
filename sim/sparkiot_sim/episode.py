"""One job's whole life in virtual time, through the same controller that decides for a live job."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ActionClass
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import Decision
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.history import History
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import Batch, EdgeSignal, Measurement
from sparkiot_policies.policy import MetaController, Policy

from .shadow.trial import Trial, mode_in_force
from .simulated import SimulatedJob

Column = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """What an episode came to.

    slo_attainment: share of batches within the latency objective; violations_percent: the rest. cost_dollars: all that
    was billed. latencies: end to end, milliseconds. scalings: changes of the executor count. NaN without a batch.
    """

    slo_attainment: float
    violations_percent: float
    cost_dollars: float
    latency_mean_ms: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    batches: int
    scalings: int
    restarts: int
    lost_executors: int
    out_of_memory: int

    def to_dict(self) -> dict[str, float | int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One turn of the loop: what was measured, what was known of it, and what was decided."""

    measurement: Measurement
    evaluation: Evaluation
    decision: Decision


@dataclass(frozen=True, slots=True)
class Episode:
    """A finished run, cycle by cycle."""

    cycles: tuple[Cycle, ...]
    summary: Summary

    def columns(self) -> dict[str, Column]:
        """The numbers of each cycle, each of shape (cycles,); NaN where nothing was measured.

        time: epoch seconds. rate, predicted: messages/s. burst: 0 or 1. wanted, running, pending: executors.
        memory_mib, tier and compression (as indices): desired. latency_ms: at the objective's quantile over the
        metrics window. backlog: messages. cost_per_hour: dollars. clamps: how many. fallback: 0 or 1.
        """
        rows = [_row(cycle) for cycle in self.cycles]
        return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]} if rows else {}

    def reasons(self) -> list[str]:
        """Each decision's reason code."""
        return [cycle.decision.reason.value for cycle in self.cycles]

    def clamps(self) -> list[str]:
        """Each decision's clamp codes, joined by a comma."""
        return [",".join(clamp.code.value for clamp in cycle.decision.clamps) for cycle in self.cycles]


Edit = Callable[[Job, float], Job]
"""What a job's owner makes of it at a time (epoch seconds), as by an edit of its resource."""


def _as_it_was(job: Job, _now: float) -> Job:
    return job


class Run:
    """A simulated job on its way: one decision interval after the other, through the controller of a live job.

    delay: decision intervals by which measurements and edge signals reach the controller late; until the first has
    come, it decides without. edit: what becomes of the job before each decision; its interval must stay. trial: of the
    policy beside the fallback rule, which acts until the policy is promoted; for a job of mode Shadow.
    Raises ValueError when the simulated job does not stand at ``start`` (epoch seconds).
    """

    def __init__(
        self,
        *,
        job: Job,
        simulated: SimulatedJob,
        policy: Policy,
        fallback: Policy,
        meta: MetaController | None = None,
        start: float,
        delay: int = 0,
        edit: Edit = _as_it_was,
        trial: Trial | None = None,
    ) -> None:
        if simulated.now != start:
            raise ValueError(f"the simulated job stands at {simulated.now}, not at the episode's start {start}")
        history = History(since=start, allocation=simulated.allocation)
        self.simulated = simulated
        self._job = job
        self._controller = Controller(job, policy=policy, fallback=fallback, meta=meta, history=history)
        self._start = start
        self._done = 0
        self._delay = delay
        self._edit = edit
        self._policy = policy
        self._trial = trial
        self._on_the_way: deque[tuple[Measurement, EdgeSignal | None]] = deque()

    @property
    def now(self) -> float:
        """Epoch seconds of the last decision."""
        return self._start + self._done * self._job.interval_s

    def cycle(self) -> Cycle:
        """Let one interval pass, look, decide, and apply what was decided."""
        self._done += 1
        now, simulated, controller = self.now, self.simulated, self._controller
        controller.job = job = self._edit(self._job, now)
        if self._trial is not None:
            controller.job = job = replace(job, mode=mode_in_force(job.mode, self._trial))
            controller.act_by(self._policy if self._trial.promoted else controller.fallback)
        simulated.advance(now)
        measurement = simulated.measure()
        self._on_the_way.append((measurement, simulated.signal()))
        late = len(self._on_the_way) <= self._delay
        seen, signal = (None, None) if late else self._on_the_way.popleft()
        evaluation, decision = controller.step(seen, signal=signal, now=now)
        controller.accept(evaluation, decision)
        if job.mode is not Mode.ADVISE:
            simulated.apply(decision.allocation)
        if self._trial is not None:
            self._trial.step(seen, signal=signal, decision=decision, now=now)
        return Cycle(measurement, evaluation, decision)

    def cycles(self, duration_s: float) -> list[Cycle]:
        """Those of the next ``duration_s`` seconds."""
        return [self.cycle() for _ in range(int(duration_s // self._job.interval_s))]


def run_episode(
    *,
    job: Job,
    simulated: SimulatedJob,
    policy: Policy,
    fallback: Policy,
    meta: MetaController | None = None,
    duration_s: float,
    start: float,
    delay: int = 0,
    edit: Edit = _as_it_was,
    trial: Trial | None = None,
) -> Episode:
    """Run a simulated job under a policy for ``duration_s`` seconds from ``start``; the rest as for ``Run``."""
    run = Run(
        job=job,
        simulated=simulated,
        policy=policy,
        fallback=fallback,
        meta=meta,
        start=start,
        delay=delay,
        edit=edit,
        trial=trial,
    )
    cycles = run.cycles(duration_s)
    measurements, decisions = [cycle.measurement for cycle in cycles], [cycle.decision for cycle in cycles]
    return Episode(tuple(cycles), summarise(job, simulated, measurements=measurements, decisions=decisions))


def summarise(
    job: Job, simulated: SimulatedJob, *, measurements: Sequence[Measurement], decisions: Sequence[Decision]
) -> Summary:
    """What a run came to, from all its looks and decisions and the simulated job as it stands at the end."""
    batches: list[Batch] = [batch for measurement in measurements for batch in measurement.batches]
    latencies = np.array([batch.latency_ms for batch in batches])
    p50, p95, p99 = np.percentile(latencies, (50, 95, 99), method="inverted_cdf") if batches else [np.nan] * 3
    attainment = float(np.mean(latencies <= job.objectives.latency_target_ms)) if batches else float("nan")
    taken = decisions if job.mode is not Mode.ADVISE else []
    return Summary(
        slo_attainment=attainment,
        violations_percent=100 * (1 - attainment),
        cost_dollars=simulated.cost_dollars,
        latency_mean_ms=float(np.mean(latencies)) if batches else float("nan"),
        latency_p50_ms=float(p50),
        latency_p95_ms=float(p95),
        latency_p99_ms=float(p99),
        batches=len(batches),
        scalings=sum(d.previous.executors != d.allocation.executors for d in taken),
        restarts=sum(d.change is ActionClass.RESTART for d in taken),
        lost_executors=sum(measurement.lost_executors for measurement in measurements),
        out_of_memory=sum(measurement.out_of_memory for measurement in measurements),
    )


def _row(cycle: Cycle) -> dict[str, float | None]:
    measurement, seen, decision = cycle.measurement, cycle.evaluation.observation, cycle.decision
    return {
        "time": measurement.time,
        "rate": measurement.rate,
        "predicted": seen.predicted_rate,
        "burst": seen.burst,
        "wanted": decision.allocation.executors,
        "running": measurement.running,
        "pending": measurement.pending,
        "memory_mib": decision.allocation.memory_mib,
        "tier": decision.allocation.tier.code,
        "compression": decision.allocation.compression.code,
        "latency_ms": seen.latency,
        "backlog": measurement.backlog,
        "cost_per_hour": measurement.cost_per_hour,
        "clamps": len(decision.clamps),
        "fallback": float(decision.fallback is not None),
    }
