"""One job's decisions in sequence: the part of the loop that live, simulated and replayed jobs share.

    observe -> [evaluate -> decide -> remember] -> realize -> record

It holds what must outlive a cycle (the window of measurements and the history) and nothing else.
"""

import math
from dataclasses import replace

from .allocation import MIB_PER_GIB
from .decide import decide
from .decision import Decision
from .evaluation import Evaluation, Window, evaluate
from .history import History
from .job import Job, Mode
from .measurement import EdgeSignal, Measurement
from .policy import MetaController, Policy

PROPOSALS_S = 300.0
"""Least time over which proposals are remembered: the scale-down window of Kubernetes' HPA."""
RELIEF = 1.5
"""How much more memory an executor gets, at the least, after one ran out of it."""


def remembered_s(job: Job) -> float:
    """How long proposals are remembered."""
    limits = job.limits
    return max(limits.stabilization_s, limits.restart_stabilization_s, job.metrics_window_s, PROPOSALS_S)


class Controller:
    """Decides for one job, one measurement at a time. ``job`` may be replaced between cycles (a spec edit)."""

    def __init__(
        self, job: Job, *, policy: Policy, fallback: Policy, meta: MetaController | None = None, history: History
    ) -> None:
        self.memory_floor_mib: int | None = None
        self.job = job
        self.policy = policy
        self.fallback = fallback
        self.meta = meta
        self.history = history
        self.window = Window(metrics_s=job.metrics_window_s, slo_s=job.slo_window_s)

    @property
    def job(self) -> Job:
        """The job as it is decided for: its least memory is raised to the floor that running out of it has set."""
        return self._job

    @job.setter
    def job(self, job: Job) -> None:
        limits, floor = job.limits, self.memory_floor_mib or 0
        least = min(max(limits.min_memory_mib, floor), limits.max_memory_mib)
        self._job = (
            job if least == limits.min_memory_mib else replace(job, limits=replace(limits, min_memory_mib=least))
        )

    def act_by(self, policy: Policy) -> None:
        """Let another policy decide from now on; it begins without its predecessor's fallback."""
        if policy != self.policy:
            self.history = replace(self.history, fallback=None)
        self.policy = policy

    def step(
        self, measurement: Measurement | None, *, signal: EdgeSignal | None, now: float
    ) -> tuple[Evaluation, Decision]:
        """Take a measurement in (None when the backend could not be observed) and decide at ``now``, epoch seconds."""
        self.window.metrics_s, self.window.slo_s = self.job.metrics_window_s, self.job.slo_window_s
        if measurement is not None:
            self.window.add(measurement, latency_target_ms=self.job.objectives.latency_target_ms)
            if measurement.out_of_memory and measurement.applied is not None:
                self.raise_memory_floor(relief_mib(measurement.applied.memory_mib))
        self.window.hear(signal)
        evaluation = evaluate(job=self.job, window=self.window, history=self.history, signal=signal, now=now)
        decision = decide(self.job, evaluation, self.policy, fallback=self.fallback, meta=self.meta)
        return evaluation, decision

    def raise_memory_floor(self, mib: int) -> None:
        """From now on no executor gets less, as far as the job's own maximum allows; a lower floor changes nothing."""
        if mib > (self.memory_floor_mib or 0):
            self.memory_floor_mib = min(mib, self.job.limits.max_memory_mib)
            self.job = self._job

    def accept(self, evaluation: Evaluation, decision: Decision) -> None:
        """Remember a decision; one that was only advised (mode Advise) leaves the allocation as it was."""
        self.history = self.history.after(
            decision,
            keep_s=remembered_s(self.job),
            fallback_s=self.job.limits.fallback_s,
            processing_rate=evaluation.processing_rate,
            taken=self.job.mode is not Mode.ADVISE,
        )


def relief_mib(memory_mib: int) -> int:
    """Memory for an executor that ran out of ``memory_mib``: half as much again, rounded up to whole GiB."""
    return math.ceil(memory_mib * RELIEF / MIB_PER_GIB) * MIB_PER_GIB
