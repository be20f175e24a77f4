"""One job's decisions in sequence: the part of the loop that live, simulated and replayed jobs share.

    observe -> [evaluate -> decide -> remember] -> realize -> record

It holds what must outlive a cycle (the window of measurements and the history) and nothing else.
"""

from .decide import decide
from .decision import Decision
from .evaluation import Evaluation, Window, evaluate
from .history import History
from .job import Job, Mode
from .measurement import EdgeSignal, Measurement
from .policy import MetaController, Policy

PROPOSALS_S = 300.0
"""Least time over which proposals are remembered: the scale-down window of Kubernetes' HPA."""


class Controller:
    """Decides for one job, one measurement at a time. ``job`` may be replaced between cycles (a spec edit)."""

    def __init__(
        self, job: Job, *, policy: Policy, fallback: Policy, meta: MetaController | None = None, history: History
    ) -> None:
        self.job = job
        self.policy = policy
        self.fallback = fallback
        self.meta = meta
        self.history = history
        self.window = Window(metrics_s=job.metrics_window_s, slo_s=job.slo_window_s)

    def step(
        self, measurement: Measurement | None, *, signal: EdgeSignal | None, now: float
    ) -> tuple[Evaluation, Decision]:
        """Take a measurement in (None when the backend could not be observed) and decide at ``now``, epoch seconds."""
        self.window.metrics_s, self.window.slo_s = self.job.metrics_window_s, self.job.slo_window_s
        if measurement is not None:
            self.window.add(measurement, latency_target_ms=self.job.objectives.latency_target_ms)
        evaluation = evaluate(job=self.job, window=self.window, history=self.history, signal=signal, now=now)
        decision = decide(self.job, evaluation, self.policy, fallback=self.fallback, meta=self.meta)
        return evaluation, decision

    def accept(self, evaluation: Evaluation, decision: Decision) -> None:
        """Remember a decision; one that was only advised (mode Advise) leaves the allocation as it was."""
        self.history = self.history.after(
            decision,
            keep_s=max(self.job.limits.stabilization_s, self.job.metrics_window_s, PROPOSALS_S),
            fallback_s=self.job.limits.fallback_s,
            processing_rate=evaluation.processing_rate,
            taken=self.job.mode is not Mode.ADVISE,
        )
