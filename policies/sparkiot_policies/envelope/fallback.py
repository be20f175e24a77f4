"""When the fallback rule acts instead of the job's policy."""

from sparkiot_policies.decision import FallbackCode
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.history import ScaleUp
from sparkiot_policies.job import Job
from sparkiot_policies.observation import Observation
from sparkiot_policies.policy import Policy

EFFECTIVENESS = 0.1
"""Share of the expected gain in processing rate below which a scale-up was ineffective.

Source: Flink's autoscaler, ``job.autoscaler.scaling.effectiveness.threshold``.
"""

SAME_LOAD = 0.9
"""Share of the workload rate before a scale-up below which the load has dropped, and nothing can be concluded."""

STARTUP_S = 60.0
"""Seconds until a requested executor works, as long as none was measured; the thesis saw 45 to 60."""


def fallback_reason(job: Job, evaluation: Evaluation, policy: Policy) -> tuple[FallbackCode | None, str]:
    """Why the policy must not act now, with a detail for people; (None, "") when it may.

    A fallback lasts for ``limits.fallback_s`` with the reason that began it, so that a job does not flutter between two
    policies.
    """
    last = evaluation.history.fallback
    if last is not None and evaluation.now < last.until:
        return last.code, last.detail
    if strange := policy.unfamiliar(evaluation):
        names = ", ".join(strange)
        return FallbackCode.OUT_OF_DISTRIBUTION, f"outside of what {policy.identity.name} was trained on: {names}"
    if detail := _ineffective(job, evaluation):
        return FallbackCode.INEFFECTIVE, detail
    return None, ""


def _ineffective(job: Job, evaluation: Evaluation) -> str | None:
    """What shows that the last scale-up did not help, or None.

    After Flink's ``JobVertexScaler.detectIneffectiveScaleUp``: of the increase in processing rate that the executors
    promised, less than EFFECTIVENESS came. The processing rate is rows over busy time, what the job can do rather than
    what it was given. It is judged only when it is measured under need: since the last step the executors had time to
    start and then to fill a metrics window, none was lost or replaced in it, the load is still there, batches fill the
    trigger interval and miss the latency objective. A job that scaled ahead of a burst and idles is thus never called
    ineffective.
    """
    up, running, rate = evaluation.history.last_scale_up, evaluation.running, evaluation.processing_rate
    if up is None or up.processing_rate is None or rate is None or not running or running <= up.executors:
        return None
    if evaluation.disrupted:  # some of the window had fewer executors than run now
        return None
    startup = STARTUP_S if evaluation.observation.startup is None else evaluation.observation.startup
    if evaluation.now - up.time < startup + job.metrics_window_s or not _in_need(job, evaluation.observation, up):
        return None
    expected = up.processing_rate * (running / up.executors - 1)
    actual = rate - up.processing_rate
    if actual >= EFFECTIVENESS * expected:
        return None
    return (
        f"{up.executors} to {running} executors should add {expected:.0f} messages/s to the processing rate, "
        f"{actual:.0f} came"
    )


def _in_need(job: Job, now: Observation, up: ScaleUp) -> bool:
    if up.workload_rate is None or now.workload_rate is None or now.workload_rate < SAME_LOAD * up.workload_rate:
        return False
    if now.batch_duration is None or now.trigger_interval is None or now.latency is None:
        return False
    return now.batch_duration >= now.trigger_interval and now.latency > job.objectives.latency_target_ms
