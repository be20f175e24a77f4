"""A recorded job played in the simulator: under a policy, or under the allocations that it really had."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_policies.objectives import Weights
from sparkiot_policies.policy import MetaController, Policy
from sparkiot_sim.episode import Run
from sparkiot_sim.reward import reference_per_hour, reward
from sparkiot_sim.simulated import SimulatedJob

from .course import Column, Stretch
from .edge import recorded_edge
from .fit import Fitted

SEED = 1
"""Of startups and of the temperature's drift: the same for all that is compared."""
REPORT_EVERY = 1000
"""Looks between two reports of progress."""

Report = Callable[[int], None]
"""Told how many more looks were played."""


def _silent(_looks: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job's recorded load came to in the simulator.

    attainment: share of batches within the objective. latencies: milliseconds. cost_dollars: all that was billed.
    executor_hours: of executors asked for. scalings: changes of their number. hours: that were played. reward: mean of
    an interval, see ``reward.py``. NaN without a batch.
    """

    attainment: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    cost_dollars: float
    executor_hours: float
    scalings: int
    restarts: int
    out_of_memory: int
    batches: int
    hours: float
    reward: float

    def to_dict(self) -> dict[str, float | int]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reality:
    """What was recorded beside what the model makes of the same load under the same allocations, at the same looks.

    in_time, modelled_in_time: share of looks whose newest batch met the objective. cost_dollars, modelled_cost_dollars:
    of the time in which cost was recorded. duration_error: median of the error of a batch's duration, as a share of the
    recorded one. looks: that were compared. None where it was not recorded.
    """

    in_time: float | None
    modelled_in_time: float | None
    cost_dollars: float | None
    modelled_cost_dollars: float | None
    duration_error: float | None
    looks: int

    def to_dict(self) -> dict[str, float | int | None]:
        return asdict(self)


def begin(stretch: Stretch, fitted: Fitted, *, seed: int = SEED) -> SimulatedJob:
    """The job as it stood at a stretch's first look, before anything of the stretch happens."""
    return SimulatedJob(
        profile=fitted.profile,
        workload=stretch.workload(),
        edge=recorded_edge(stretch),
        allocation=stretch.allocation(1),
        start=stretch.start,
        seed=seed,
        preset=fitted.preset,
        calibration=fitted.calibration,
        prices=stretch.job.prices,
        backlog=stretch.backlog,
    )


def play(
    stretches: Sequence[Stretch],
    fitted: Fitted,
    policy: Policy,
    *,
    fallback: Policy,
    meta: MetaController | None,
    seed: int = SEED,
    report: Report = _silent,
) -> Outcome:
    """All stretches of one job under a policy, behind the envelope that the job had; none of them only advises."""
    tally = _Tally()
    for stretch in stretches:
        job = replace(stretch.job, mode=Mode.ACTIVE)
        simulated = begin(stretch, fitted, seed=seed)
        run = Run(job=job, simulated=simulated, policy=policy, fallback=fallback, meta=meta, start=stretch.start)
        tally.open(stretch, fitted, simulated)
        for look in range(int(stretch.duration_s // job.interval_s)):
            cycle = run.cycle()
            tally.add(cycle.measurement, cycle.decision.weights, blind=not cycle.evaluation.observation.forecast_known)
            if look % REPORT_EVERY == REPORT_EVERY - 1:
                report(REPORT_EVERY)
        report(int(stretch.duration_s // job.interval_s) % REPORT_EVERY)
    return tally.outcome()


def replay(
    stretches: Sequence[Stretch], fitted: Fitted, *, weights: Weights | None = None, seed: int = SEED
) -> tuple[Outcome, Reality]:
    """All stretches of one job under the allocations that were in force, and how far that is from what was recorded.

    weights: for the reward; None for the job's own, or equal ones where it has none.
    """
    tally, compared = _Tally(), _Comparison()
    for stretch in stretches:
        simulated = begin(stretch, fitted, seed=seed)
        tally.open(stretch, fitted, simulated)
        compared.open(simulated)
        for look, measurement in _driven(stretch, simulated):
            tally.add(measurement, weights or stretch.job.objectives.weights or EQUAL, blind=False)
            compared.add(stretch, look, measurement, simulated.cost_dollars)
    return tally.outcome(), compared.reality()


EQUAL = Weights(1 / 3, 1 / 3, 1 / 3)


def _driven(stretch: Stretch, simulated: SimulatedJob) -> Iterator[tuple[int, Measurement]]:
    times = stretch["time"].tolist()
    for look in range(1, len(times)):
        simulated.advance(times[look])
        yield look, simulated.measure()
        if look + 1 < len(times):
            simulated.apply(stretch.allocation(look + 1))


class _Tally:
    """Adds up looks of one stretch after the other, eight bytes a batch."""

    def __init__(self) -> None:
        self._latencies = array("d")
        self._met = 0
        self._rewards = self._seconds = self._dollars = self._executor_s = 0.0
        self._looks = self._scalings = self._restarts = self._oom = 0
        self._before: Allocation | None = None

    def open(self, stretch: Stretch, fitted: Fitted, simulated: SimulatedJob) -> None:
        self._job: Job = stretch.job
        self._simulated = simulated
        self._reference = reference_per_hour(stretch.job, fitted.profile, stretch.workload().mean_rate)
        self._before = None
        self._time, self._billed = stretch.start, 0.0

    def add(self, measurement: Measurement, weights: Weights, *, blind: bool) -> None:
        """A look. The allocation that it was measured under is that of the time before it."""
        target = self._job.objectives.latency_target_ms
        for batch in measurement.batches:
            self._latencies.append(batch.latency_ms)
            self._met += batch.latency_ms <= target
        elapsed = measurement.time - self._time
        dollars = self._simulated.cost_dollars - self._billed
        allocation = measurement.applied or self._simulated.allocation
        if self._before is not None:
            self._scalings += allocation.executors != self._before.executors
            self._restarts += allocation.memory_mib != self._before.memory_mib
        self._before = allocation
        self._executor_s += allocation.executors * elapsed
        self._rewards += reward(
            weights=weights,
            measurement=measurement,
            dollars=dollars,
            interval_s=elapsed,
            reference=self._reference,
            target_ms=target,
            blind=blind,
        )
        self._looks += 1
        self._oom += measurement.out_of_memory
        self._seconds += elapsed
        self._dollars += dollars
        self._time, self._billed = measurement.time, self._simulated.cost_dollars

    def outcome(self) -> Outcome:
        latencies = np.frombuffer(self._latencies) if self._latencies else np.full(1, np.nan)
        p50, p95, p99 = np.percentile(latencies, (50, 95, 99), method="inverted_cdf").tolist()
        count = len(self._latencies)
        return Outcome(
            attainment=self._met / count if count else float("nan"),
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            latency_p99_ms=p99,
            cost_dollars=self._dollars,
            executor_hours=self._executor_s / 3600,
            scalings=self._scalings,
            restarts=self._restarts,
            out_of_memory=self._oom,
            batches=count,
            hours=self._seconds / 3600,
            reward=self._rewards / self._looks if self._looks else float("nan"),
        )


class _Comparison:
    """Of looks: recorded and modelled, side by side."""

    def __init__(self) -> None:
        self._in_time = self._modelled = self._judged = self._priced = self._looks = 0
        self._dollars = self._modelled_dollars = self._billed = 0.0
        self._errors = array("d")
        self._newest: Batch | None = None

    def open(self, simulated: SimulatedJob) -> None:
        self._newest, self._billed = None, simulated.cost_dollars

    def add(self, stretch: Stretch, look: int, measurement: Measurement, billed: float) -> None:
        self._looks += 1
        self._newest = measurement.batches[-1] if measurement.batches else self._newest
        newest = self._newest
        lateness, duration = _known(stretch["lateness"], look), _known(stretch["duration_s"], look)
        if newest is not None and lateness is not None:
            self._judged += 1
            self._in_time += lateness <= 1
            self._modelled += newest.latency_ms <= stretch.job.objectives.latency_target_ms
        if newest is not None and duration:
            self._errors.append(abs(newest.duration_s / duration - 1))
        if (rate := _known(stretch["cost_per_hour"], look)) is not None:
            self._priced += 1
            self._dollars += rate * float(stretch["time"][look] - stretch["time"][look - 1]) / 3600
            self._modelled_dollars += billed - self._billed
        self._billed = billed

    def reality(self) -> Reality:
        judged, priced = self._judged, self._priced
        return Reality(
            in_time=self._in_time / judged if judged else None,
            modelled_in_time=self._modelled / judged if judged else None,
            cost_dollars=self._dollars if priced else None,
            modelled_cost_dollars=self._modelled_dollars if priced else None,
            duration_error=float(np.median(self._errors)) if self._errors else None,
            looks=self._looks,
        )


def _known(column: Column, look: int) -> float | None:
    value = float(column[look])
    return None if np.isnan(value) else value
