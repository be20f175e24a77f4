"""What a job did since this operator follows it: counters and histograms."""

from collections.abc import Callable
from dataclasses import dataclass

from .families import Family, Read, Readings, single
from .sample import Distribution, JobSample


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram of a job, and where it is kept."""

    family: Family
    read: Callable[[JobSample], Distribution]


def _restarts(sample: JobSample) -> Readings:
    for cause, count in sample.restarts.counts.items():
        yield (cause.value,), count


def _signals(sample: JobSample) -> Readings:
    if sample.last is not None and (view := sample.last.signals) is not None:
        for outcome, count in {"Accepted": view.accepted, **view.dropped}.items():
            yield (outcome,), count


TOTALS: tuple[Read[JobSample], ...] = (
    Read(
        Family("sparkiot_job_decisions", "Decisions by reason.", ("reason",)),
        lambda s: [((reason,), count) for reason, count in list(s.decisions.items())],
    ),
    Read(
        Family("sparkiot_job_clamps", "Clamps of the envelope by code.", ("code",)),
        lambda s: [((code,), count) for code, count in list(s.clamps.items())],
    ),
    Read(
        Family("sparkiot_job_fallbacks", "Decisions of the fallback rule, by the reason why it stood in.", ("reason",)),
        lambda s: [((reason,), count) for reason, count in list(s.fallbacks.items())],
    ),
    Read(
        Family(
            "sparkiot_job_signals",
            "Burst signals that came: accepted, or the reason why they were dropped.",
            ("outcome",),
        ),
        _signals,
    ),
    Read(
        Family(
            "sparkiot_job_restarts",
            "Restarts: other memory (Allocation), a driver that failed (Failure), another driver pod (Replaced).",
            ("cause",),
        ),
        _restarts,
    ),
    Read(
        Family("sparkiot_job_restart_outage_seconds", "Outages of restarts from the checkpoint, as measured."),
        lambda s: single(s.restarts.outage_s),
    ),
    Read(
        Family("sparkiot_job_unready_seconds", "Job time in which a job that runs did not process."),
        lambda s: single(s.restarts.unready_s),
    ),
    Read(Family("sparkiot_job_cycle_errors", "Cycles that failed."), lambda s: single(s.errors)),
    Read(
        Family("sparkiot_job_cycles_skipped", "Cycles left out because the one before was late."),
        lambda s: single(s.skipped),
    ),
    Read(Family("sparkiot_job_batches", "Micro-batches that completed."), lambda s: single(s.batches)),
    Read(
        Family("sparkiot_job_batches_met", "Micro-batches that met the latency objective."),
        lambda s: single(s.batches_met),
    ),
    Read(
        Family("sparkiot_job_processed_messages", "Messages in micro-batches that completed."),
        lambda s: single(s.messages),
    ),
    Read(Family("sparkiot_job_cost_dollars", "What was billed, over job time."), lambda s: single(s.dollars)),
    Read(Family("sparkiot_job_scalings", "Changes of the number of executors."), lambda s: single(s.scalings)),
    Read(
        Family("sparkiot_job_executors_lost", "Executors that went without being told to."),
        lambda s: single(s.executors_lost),
    ),
    Read(
        Family("sparkiot_job_executors_out_of_memory", "Executors that ended for lack of memory."),
        lambda s: single(s.out_of_memory),
    ),
)
SPREADS: tuple[Spread, ...] = (
    Spread(Family("sparkiot_job_batch_duration_seconds", "Processing time of micro-batches."), lambda s: s.durations),
    Spread(
        Family(
            "sparkiot_job_batch_latency_seconds",
            "End-to-end latency of micro-batches: their oldest row's wait, and the processing.",
        ),
        lambda s: s.latencies,
    ),
)
