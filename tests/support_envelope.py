"""What no sequence of proposals, measurements, clocks and edits may do to a job, told apart from the envelope's own
code.

``Auditor`` keeps its own record of what happened and computes every bound anew; it calls nothing of the envelope but
``constrain`` itself, to see that a second pass changes nothing.
"""

import math

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import ClampCode, Decision, FallbackCode
from sparkiot_policies.envelope import constrain
from sparkiot_policies.errors import ObservationMissingError, PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import Measurement

FIELDS = {"executors": "executors", "memory": "memory_mib", "tier": "tier", "compression": "compression"}


def within_bounds(j: Job, a: Allocation) -> bool:
    limits = j.limits
    return (
        limits.min_executors <= a.executors <= limits.max_executors
        and limits.min_memory_mib <= a.memory_mib <= limits.max_memory_mib
        and a.tier in limits.tiers
        and a.compression in limits.compressions
    )


def within_budget(j: Job, a: Allocation) -> bool:
    budget = j.objectives.budget_per_hour
    if budget is None or j.prices.compute_per_hour(a.executors, a.memory_mib) <= budget + 1e-6:
        return True
    # the budget's granularity is 256 MiB, so only the minimum may exceed it
    return a.executors == j.limits.min_executors and (a.memory_mib == j.limits.min_memory_mib or not j.prices.gib_hour)


def known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class Auditor:
    """Follows one controller. ``check`` is called after each of its steps and raises AssertionError."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._seen: list[Measurement] = []
        self._up = self._down = self._shuffled = -math.inf
        self._since = self._restarted = controller.history.since
        self._proposals: list[tuple[float, Allocation]] = []
        self._fallback_until = -math.inf

    def saw(self, measurement: Measurement | None) -> None:
        """A measurement that the controller is about to get; one that is not newer than the last says nothing."""
        if measurement is not None and (not self._seen or measurement.time > self._seen[-1].time):
            self._seen.append(measurement)

    def check(self, evaluation: Evaluation, decision: Decision, *, failing: Exception | None) -> None:
        """failing: what the policy raised, or would have raised, in this step."""
        job, now = self._controller.job, decision.time
        before, after = decision.previous, decision.allocation
        assert within_bounds(job, after), (job.limits, after)
        assert within_budget(job, after), (job.objectives, after)
        self._check_room(job, before, after)
        if within_bounds(job, before) and within_budget(job, before):
            self._check_restart(job, before, after, now)
            if job.limits.override is None:
                self._check_pace(job, before, after, now)
                self._check_needed(job, before, after, now)
                self._check_blind(job, before, after, now)
        assert constrain(job, evaluation, after) == (after, ())
        self._check_clamps(decision)
        self._check_fallback(job, decision, failing)
        self._proposals.append((now, decision.proposal))
        if job.mode is not Mode.ADVISE:
            self._remember(before, after, now)

    def _check_room(self, job: Job, before: Allocation, after: Allocation) -> None:
        """No growth beyond quota or into a full cluster; what is asked for already, or the least, may stay."""
        if not self._seen:
            return
        last, in_force = self._seen[-1], max(before.executors, job.limits.min_executors)
        if last.quota_executors is not None:
            assert after.executors <= max(last.quota_executors, in_force)
        if last.unschedulable:
            assert after.executors <= in_force

    def _check_restart(self, job: Job, before: Allocation, after: Allocation, now: float) -> None:
        """In their interval, and not while the proposals of the last minutes disagree; an executor that ran out of
        memory does not wait for that."""
        old, new = before.memory_mib, after.memory_mib
        if new == old:
            return
        assert now - self._restarted >= job.limits.restart_min_interval_s
        since = now - job.limits.restart_stabilization_s
        asked = [proposal.memory_mib for time, proposal in self._proposals if time >= since]
        if new < old:
            assert all(memory < old for memory in asked)
        elif not any(measured.out_of_memory for measured in self._seen):
            assert all(memory > old for memory in asked)

    def _check_needed(self, job: Job, before: Allocation, after: Allocation, now: float) -> None:
        """Nobody goes who was needed a moment ago, or whose memory holds the queries' state."""
        if after.executors >= before.executors or self._budget_bites(job, before, after):
            return
        begin = now - job.limits.stabilization_s
        assert self._since <= begin
        needed = max((proposal.executors for time, proposal in self._proposals if time > begin), default=0)
        assert after.executors >= min(before.executors, needed)
        state = known(self._seen[-1].state_mib)
        if state is not None:
            assert after.executors >= min(before.executors, state / (0.5 * before.memory_mib))

    def _check_pace(self, job: Job, before: Allocation, after: Allocation, now: float) -> None:
        limits, was, became = job.limits, before.executors, after.executors
        if became > was:
            assert now - self._up >= limits.cooldown_up_s
            assert became <= max(was * limits.max_up_factor, was + 1)
            assert became <= max(was + limits.max_up_step, was + 1)
        if became < was and not self._budget_bites(job, before, after):
            assert now - self._down >= limits.cooldown_down_s
            assert became >= min(was * (1 - limits.max_down_factor), was - 1)
        if (after.tier, after.compression) != (before.tier, before.compression):
            assert now - self._shuffled >= limits.cooldown_shuffle_s

    def _check_blind(self, job: Job, before: Allocation, after: Allocation, now: float) -> None:
        """Held altogether without a fresh measurement; nothing taken away without backlog and rate, or while it
        grows."""
        age = abs(now - self._seen[-1].time) if self._seen else math.inf
        excluded = any(period.contains(now) for period in job.limits.excluded)
        if age > job.limits.stale_after_s or job.mode is Mode.PAUSED or excluded:
            assert after == before
        if self._blind() and not self._budget_bites(job, before, after):
            assert after.executors >= before.executors
            assert after.memory_mib >= before.memory_mib

    def _blind(self) -> bool:
        """Whether the last measurement lacks what a scale-down rests on, or shows a backlog that surely grows."""
        if not self._seen:
            return True
        last = self._seen[-1]
        backlog, rate = known(last.backlog), known(last.rate)
        if backlog is None or rate is None:
            return True
        window = self._controller.window.metrics_s
        earlier = [m for m in self._seen[:-1] if m.time >= last.time - window]
        explained = 1.5 * rate * (known(last.trigger_interval_s) or 0.0)
        below = [b for m in earlier if (b := known(m.backlog)) is not None]
        return not below or (backlog > max(below) and backlog > explained)

    def _budget_bites(self, job: Job, before: Allocation, after: Allocation) -> bool:
        """Whether memory grew in this step, which the budget may pay for with executors."""
        return job.objectives.budget_per_hour is not None and after.memory_mib > before.memory_mib

    def _check_clamps(self, decision: Decision) -> None:
        """Each field that differs from the proposal says why, with a code, and no other does."""
        proposal, after = decision.proposal, decision.allocation
        changed = {name for name, field in FIELDS.items() if getattr(after, field) != getattr(proposal, field)}
        assert {clamp.field for clamp in decision.clamps} == changed
        assert all(isinstance(clamp.code, ClampCode) for clamp in decision.clamps)

    def _check_fallback(self, job: Job, decision: Decision, failing: Exception | None) -> None:
        """A failing policy is replaced in the very step in which it fails, and for as long as the job says."""
        fallback = self._controller.fallback.identity
        if decision.time < self._fallback_until:
            assert decision.acted == fallback
        elif isinstance(failing, PolicyError) and not isinstance(failing, ObservationMissingError):
            if decision.fallback is not FallbackCode.INEFFECTIVE:
                assert decision.fallback is FallbackCode.POLICY_FAILED
            assert decision.acted == fallback
        if decision.fallback is not None and decision.time >= self._fallback_until:
            self._fallback_until = decision.time + job.limits.fallback_s

    def _remember(self, before: Allocation, after: Allocation, now: float) -> None:
        if after.executors > before.executors:
            self._up = now
        if after.executors < before.executors:
            self._down = now
        if (after.tier, after.compression) != (before.tier, before.compression):
            self._shuffled = now
        if after.memory_mib != before.memory_mib:
            self._restarted = now
