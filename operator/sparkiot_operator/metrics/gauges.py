"""What a job is now: from its last cycle, and from its status."""

import math

from sparkiot_operator.status import Cycle

from .families import Family, Read, Readings, single
from .promotion_gauges import PROMOTION_GAUGES
from .sample import JobSample
from .shuffle_gauges import SHUFFLE_GAUGES

MIB = 1024 * 1024


def _executors(cycle: Cycle) -> Readings:
    yield ("desired",), cycle.allocation.executors
    yield ("recommended",), cycle.decision.proposal.executors
    yield ("running",), cycle.evaluation.running
    yield ("pending",), cycle.evaluation.pending
    yield ("ending",), cycle.evaluation.leaving


def _limits(cycle: Cycle) -> Readings:
    yield ("min",), cycle.job.limits.min_executors
    yield ("max",), cycle.job.limits.max_executors
    yield ("quota",), cycle.evaluation.quota_executors


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _conditions(sample: JobSample) -> Readings:
    """One that is Unknown has no series."""
    for found in sample.status.conditions if sample.status else ():
        yield (found.type,), {"True": 1.0, "False": 0.0}.get(found.status)


def _phase(sample: JobSample) -> Readings:
    if sample.status is not None and sample.status.phase is not None:
        yield (sample.status.phase.value,), 1


CYCLE_GAUGES: tuple[Read[Cycle], ...] = (
    Read(
        Family(
            "sparkiot_job_executors",
            "Executors: desired, recommended by the policy, running, pending; ending, of the running ones.",
            ("state",),
        ),
        _executors,
    ),
    Read(
        Family(
            "sparkiot_job_executors_limit",
            "Fewest and most executors that the job allows: min, max; what the namespace's quota has room for: quota.",
            ("bound",),
        ),
        _limits,
    ),
    Read(
        Family("sparkiot_job_executor_memory_bytes", "Memory of one executor, as desired."),
        lambda c: single(c.allocation.memory_mib * MIB),
    ),
    *SHUFFLE_GAUGES,
    *PROMOTION_GAUGES,
    Read(
        Family(
            "sparkiot_job_latency_seconds", "End-to-end latency at the objective's quantile over the metrics window."
        ),
        lambda c: single(_seconds(c.evaluation.observation.latency)),
    ),
    Read(
        Family("sparkiot_job_latency_objective_seconds", "The latency objective."),
        lambda c: single(_seconds(c.job.objectives.latency_target_ms)),
    ),
    Read(
        Family("sparkiot_job_slo_attainment_ratio", "Share of micro-batches within the objective over the SLO window."),
        lambda c: single(c.evaluation.observation.attainment),
    ),
    Read(
        Family("sparkiot_job_slo_objective_ratio", "Share of micro-batches that shall meet it."),
        lambda c: single(c.job.objectives.quantile),
    ),
    Read(
        Family("sparkiot_job_cost_dollars_per_hour", "Cost of what is billed now."),
        lambda c: single(c.evaluation.observation.cost_rate),
    ),
    Read(
        Family("sparkiot_job_budget_dollars_per_hour", "The job's budget; no series for a job that states none."),
        lambda c: single(c.job.objectives.budget_per_hour),
    ),
    Read(
        Family("sparkiot_job_input_messages_per_second", "Arrival rate over the last interval."),
        lambda c: single(c.evaluation.observation.workload_rate),
    ),
    Read(
        Family("sparkiot_job_predicted_messages_per_second", "Arrival rate that the edge predicts."),
        lambda c: single(c.evaluation.observation.predicted_rate),
    ),
    Read(
        Family(
            "sparkiot_job_processing_messages_per_second",
            "What the executors that ran process while a batch is at work, over the metrics window.",
        ),
        lambda c: single(c.evaluation.processing_rate),
    ),
    Read(
        Family("sparkiot_job_backlog_messages", "Messages that wait for a micro-batch."),
        lambda c: single(c.evaluation.observation.backlog),
    ),
    Read(
        Family("sparkiot_job_observation_age_seconds", "Job time since the last measurement, at the last cycle."),
        lambda c: single(c.evaluation.age_s if math.isfinite(c.evaluation.age_s) else None),
    ),
    Read(
        Family("sparkiot_job_restart_cost_seconds", "Outage of the last restart from the checkpoint."),
        lambda c: single(c.evaluation.restart_cost_s),
    ),
    Read(
        Family("sparkiot_job_burst_announced", "1 while the edge announces a burst."),
        lambda c: single(c.evaluation.observation.burst),
    ),
    Read(
        Family("sparkiot_job_signal_age_seconds", "Real time since the newest burst signal was made."),
        lambda c: single(c.signals.age_s if c.signals else None),
    ),
    Read(
        Family(
            "sparkiot_job_signal_clock_skew_seconds",
            "How far the gateway's clock is behind, the way of a signal included; negative when it is ahead.",
        ),
        lambda c: single(c.signals.skew_s if c.signals and c.signals.time is not None else None),
    ),
    Read(
        Family("sparkiot_job_signal_source_up", "1 while the source of burst signals can be reached."),
        lambda c: single(float(c.signals.problem is None) if c.signals else None),
    ),
    Read(
        Family("sparkiot_job_fallback_active", "1 while the fallback rule acts instead of the policy."),
        lambda c: single(float(c.decision.fallback is not None)),
    ),
    Read(
        Family("sparkiot_job_policy_info", "1 for the policy that acted last.", ("policy", "digest")),
        lambda c: [((c.decision.acted.name, c.decision.acted.digest), 1)],
    ),
    Read(
        Family("sparkiot_job_interval_seconds", "Time between two decisions."),
        lambda c: single(c.job.interval_s),
    ),
)
"""Of a job that runs."""
STATUS_GAUGES: tuple[Read[JobSample], ...] = (
    Read(
        Family(
            "sparkiot_job_condition",
            "A condition of the job's status: 1 for True, 0 for False; no series while it is Unknown.",
            ("condition",),
        ),
        _conditions,
    ),
    Read(Family("sparkiot_job_phase_info", "1 for the job's phase.", ("phase",)), _phase),
    Read(
        Family("sparkiot_job_last_cycle_timestamp_seconds", "When the last cycle was, by the operator's clock."),
        lambda s: single(s.cycled),
    ),
)
"""Of every job."""
