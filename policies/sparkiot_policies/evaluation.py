"""From measurements to what a policy sees: windows, the edge's forecast, the observation."""

import math
from array import array
from collections import deque
from dataclasses import dataclass, replace

from .batch_cost import BatchCost, Cost
from .forecast import JUDGE_S
from .history import History
from .job import Job
from .measurement import Batch, EdgeSignal, Measurement
from .objectives import SCENARIO_WEIGHTS, Scenario, Weights
from .observation import Observation
from .outlook import outlook
from .plausible import measurable, plausible
from .settling import Settling
from .throughput import Throughput, Work

SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The meta-controller's view of a job over its metrics and SLO windows. None is missing.

    rate_mean: messages/s. rate_spread: standard deviation over mean. latency_ratio: latency over its target.
    attainment: share of batches within the objective. budget_burn: cost rate over the budget; over the cost of the
    largest allowed allocation where the job states no budget.
    Version 2 adds what is asked now, as objectives may shift by the clock. quantile: share of batches that must be
    within the objective. budgeted: 1 where the job states a budget, else 0. recent: attainment in the metrics window.
    """

    rate_mean: float | None
    rate_spread: float | None
    latency_ratio: float | None
    attainment: float | None
    budget_burn: float | None
    quantile: float | None = None
    budgeted: float | None = None
    recent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that a policy and the envelope know at one decision.

    signal_fresh: None when the job has no edge signal. backlog_growing: None when nobody measured it. processing_rate:
    messages/s of the whole job over the metrics window. net_capacity: messages/s of one executor beside the fixed cost
    of batches; None while it cannot be told apart, see BatchCost. startup_s, restart_cost_s: measured, seconds.
    quota_executors, leaving: as measured last. disrupted: whether executors were lost, or leave as their end is
    announced, in the metrics window. state_mib: MiB of the queries' state over all executors. out_of_memory: executors
    lost to it in the metrics window. age_s: of the last measurement, infinite without one; a measurement from the
    future, which a wrong clock makes, is as old as it is far away.
    """

    now: float
    observation: Observation
    context: Context
    weights: Weights
    history: History
    signal_fresh: bool | None = None
    backlog_growing: bool | None = None
    processing_rate: float | None = None
    net_capacity: float | None = None
    running: int | None = None
    pending: int | None = None
    unschedulable: int = 0
    quota_executors: int | None = None
    leaving: int = 0
    disrupted: bool = False
    state_mib: float | None = None
    out_of_memory: int = 0
    restart_cost_s: float | None = None
    age_s: float = math.inf


class Window:
    """The measurements of one job that still matter; grows and forgets, decides nothing.

    metrics_s: how long measurements are kept. slo_s: how long batches count for attainment. Both may change.
    """

    def __init__(self, *, metrics_s: float, slo_s: float) -> None:
        self.metrics_s = metrics_s
        self.slo_s = slo_s
        # Without their batches, of which a window may hold hundreds: what is asked of those are sums and latencies.
        self._measurements: deque[Measurement] = deque()
        self._latencies: deque[array[float]] = deque()
        self._settling = Settling()
        self._throughput = Throughput()
        self._slo: deque[tuple[float, int, int]] = deque()
        self._batches = 0
        self._met = 0
        self._newest: tuple[Batch, ...] = ()
        self._signals: deque[EdgeSignal] = deque()
        self._cost = BatchCost()
        self.capacity: float | None = None

    def add(self, measurement: Measurement, *, latency_target_ms: float) -> None:
        """Take the newest measurement in; one that is not newer than the last is ignored.

        A value that is not a number, or too large for one that anything measures, was not measured: it becomes
        missing, so that it never reaches a policy.
        """
        if self._measurements and measurement.time <= self._measurements[-1].time:
            return
        measurement = plausible(measurement)
        batches = measurement.batches
        self._measurements.append(replace(measurement, batches=()))
        self._latencies.append(array("d", [b.latency_ms for b in batches]))
        while self._measurements[0].time < measurement.time - self.metrics_s:
            self._measurements.popleft()
            self._latencies.popleft()
        work = Work.of(measurement, self._settling.settled(measurement))
        self._throughput.add(work, window_s=self.metrics_s)
        if measurement.batches:
            self._newest = batches
            met = sum([b.latency_ms <= latency_target_ms for b in batches])
            self._slo.append((measurement.time, len(measurement.batches), met))
            self._batches += len(measurement.batches)
            self._met += met
        while self._slo and self._slo[0][0] < measurement.time - self.slo_s:
            _, forgotten, met = self._slo.popleft()
            self._batches -= forgotten
            self._met -= met
        self.capacity = self._throughput.capacity() or self.capacity
        self._learn_cost(measurement, work)

    def hear(self, signal: EdgeSignal | None) -> None:
        """Take an edge's newest signal in; one that was heard before, or that predicts no number, is ignored."""
        if signal is None or not measurable(signal.predicted_rate):
            return
        if not self._signals or signal.time > self._signals[-1].time:
            self._signals.append(signal)
        while self._signals[0].time < self._signals[-1].time - JUDGE_S:
            self._signals.popleft()

    @property
    def signals(self) -> list[EdgeSignal]:
        """Those of the last minutes, oldest first."""
        return list(self._signals)

    @property
    def cost(self) -> Cost | None:
        """The best guess at what a batch costs; None before the first one."""
        return self._cost.estimate()

    @property
    def last(self) -> Measurement | None:
        """The newest, without its batches."""
        return self._measurements[-1] if self._measurements else None

    @property
    def attainment(self) -> float | None:
        """Share of batches within the objective; None before the first batch."""
        return self._met / self._batches if self._batches else None

    def recent(self, latency_target_ms: float) -> float | None:
        """Share of the metrics window's batches within a target; None without a batch."""
        met = [latency <= latency_target_ms for part in self._latencies for latency in part]
        return sum(met) / len(met) if met else None

    @property
    def last_batch(self) -> Batch | None:
        """The newest batch, however old: while one runs for long, the one before it is the best that is known."""
        return self._newest[-1] if self._newest else None

    def rates(self) -> list[float]:
        return [m.rate for m in self._measurements if m.rate is not None]

    def latency_ms(self, quantile: float) -> float | None:
        """Latency of the window's batches at a quantile (nearest rank); of the newest ones where a batch has been
        running for longer than the window: an overload must not look like a missing value. None before a batch."""
        latencies = sorted([latency for part in self._latencies for latency in part])
        latencies = latencies or sorted([b.latency_ms for b in self._newest])
        return latencies[max(math.ceil(quantile * len(latencies)) - 1, 0)] if latencies else None

    def processing_rate(self) -> float | None:
        """Messages/s over the time that batches were busy; None without a busy batch."""
        return self._throughput.rate()

    def backlog_growing(self) -> bool | None:
        """Whether the backlog exceeds its mean over the window and what one trigger interval's arrival explains.

        The backlog of micro-batches is a sawtooth, so half an interval's arrival is tolerated on top. None when the
        last measurement has no backlog or no earlier one has. An unknown rate or trigger interval explains nothing.
        """
        if self.last is None or self.last.backlog is None:
            return None
        known = [
            (m.backlog, m.rate or 0.0, m.trigger_interval_s or 0.0) for m in self._measurements if m.backlog is not None
        ]
        if len(known) < 2:
            return None
        backlog, rate, trigger = known[-1]
        mean = sum(b for b, _, _ in known) / len(known)
        return backlog > mean and backlog > 1.5 * rate * trigger

    def out_of_memory(self) -> int:
        return sum(m.out_of_memory for m in self._measurements)

    def disrupted(self) -> bool:
        return any(m.lost_executors or m.leaving for m in self._measurements)

    def net_capacity(self) -> float | None:
        return self._cost.capacity()

    def _learn_cost(self, m: Measurement, work: Work) -> None:
        """Only from times in which all executors worked, else nobody knows how many shared a batch."""
        if m.running and not m.pending and m.applied is not None and m.running == m.applied.executors:
            self._cost.add(
                time=m.time,
                batches=work.batches,
                rows=work.rows,
                busy_s=work.busy_s,
                executors=m.running,
                layout=(m.applied.memory_mib, m.applied.tier, m.applied.compression),
            )


def evaluate(*, job: Job, window: Window, history: History, signal: EdgeSignal | None, now: float) -> Evaluation:
    """What is known of a job at ``now`` (epoch seconds). ``signal`` is the edge's last one, None without an edge.

    The weights are the job's own or the last ones; ``with_weights`` replaces them by a meta-controller's.
    """
    last = window.last
    weights = job.objectives.weights or history.weights or SCENARIO_WEIGHTS[Scenario.BALANCED]
    if last is None:
        context = Context(rate_mean=None, rate_spread=None, latency_ratio=None, attainment=None, budget_burn=None)
        return Evaluation(now=now, observation=Observation(), context=context, weights=weights, history=history)
    fresh = (
        signal is not None and measurable(signal.predicted_rate) and signal.fresh(now, job.limits.signal_stale_after_s)
    )
    latency = window.latency_ms(job.objectives.quantile)
    observation = _observation(
        job, window, last, history, signal=signal if fresh else None, latency=latency, weights=weights, now=now
    )
    return Evaluation(
        now=now,
        observation=observation,
        context=_context(job, window, last, latency),
        weights=weights,
        history=history,
        signal_fresh=fresh if signal is not None else None,
        backlog_growing=window.backlog_growing(),
        processing_rate=window.processing_rate(),
        net_capacity=window.net_capacity(),
        running=last.running,
        pending=last.pending,
        unschedulable=last.unschedulable,
        quota_executors=last.quota_executors,
        leaving=last.leaving,
        disrupted=window.disrupted(),
        state_mib=last.state_mib,
        out_of_memory=window.out_of_memory(),
        restart_cost_s=last.restart_cost_s,
        age_s=abs(now - last.time),
    )


def with_weights(evaluation: Evaluation, weights: Weights) -> Evaluation:
    """The same evaluation under other reward weights."""
    observation = replace(
        evaluation.observation,
        weight_cost=weights.cost,
        weight_latency=weights.latency,
        weight_throughput=weights.throughput,
    )
    return replace(evaluation, observation=observation, weights=weights)


def _observation(
    job: Job,
    window: Window,
    last: Measurement,
    history: History,
    *,
    signal: EdgeSignal | None,
    latency: float | None,
    weights: Weights,
    now: float,
) -> Observation:
    rates = window.rates()
    # Without a fresh signal the best forecast that needs no model is persistence: the rate stays.
    predicted = signal.predicted_rate if signal else last.rate
    capacity = window.capacity
    angle = 2 * math.pi * (now % SECONDS_PER_DAY) / SECONDS_PER_DAY
    applied = last.applied
    last_batch = window.last_batch
    mean = sum(rates) / len(rates) if rates else None
    return Observation(
        workload_rate=last.rate,
        data_volume=last.volume_mb,
        cpu=last.cpu,
        memory=last.memory,
        latency=latency,
        cost_rate=last.cost_per_hour,
        weight_cost=weights.cost,
        weight_latency=weights.latency,
        weight_throughput=weights.throughput,
        shuffle_size=last.shuffle_mb,
        temperature=last.temperature,
        predicted_rate=predicted,
        burst=float(signal.alarm) if signal else 0.0,
        backlog=last.backlog,
        running=last.running,
        pending=last.pending,
        trigger_interval=last.trigger_interval_s,
        latency_target=job.objectives.latency_target_ms,
        batch_duration=last_batch.duration_s if last_batch else None,
        capacity=capacity,
        demand=_ratio(last.rate, capacity),
        predicted_demand=_ratio(predicted, capacity),
        backlog_work=_ratio(last.backlog, capacity),
        memory_per_executor=applied.memory_gib if applied else None,
        tier=applied.tier.code if applied else None,
        compression=applied.compression.code if applied else None,
        startup=last.startup_s,
        trend=1.0 if mean == 0 else _ratio(last.rate, mean),
        hour_sin=math.sin(angle),
        hour_cos=math.cos(angle),
        attainment=window.attainment,
        **outlook(
            job,
            history,
            last,
            cost=window.cost,
            rates=rates,
            batch=last_batch,
            signal=signal,
            signals=window.signals,
            now=now,
        ),
    )


def _context(job: Job, window: Window, last: Measurement, latency: float | None) -> Context:
    rates = window.rates()
    mean = sum(rates) / len(rates) if rates else None
    spread = None
    if mean is not None:
        deviation = math.sqrt(sum((r - mean) ** 2 for r in rates) / len(rates))
        spread = deviation / mean if mean > 0 else 0.0
    limits = job.limits
    ceiling = job.objectives.budget_per_hour or job.prices.compute_per_hour(limits.max_executors, limits.max_memory_mib)
    return Context(
        rate_mean=mean,
        rate_spread=spread,
        latency_ratio=_ratio(latency, job.objectives.latency_target_ms),
        attainment=window.attainment,
        budget_burn=_ratio(last.cost_per_hour, ceiling),
        quantile=job.objectives.quantile,
        budgeted=float(job.objectives.budget_per_hour is not None),
        recent=window.recent(job.objectives.latency_target_ms),
    )


def _ratio(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None
