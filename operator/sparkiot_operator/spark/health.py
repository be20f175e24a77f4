"""Whether a live job processes data, and if not, why: from its pods and from what its driver reports."""

from dataclasses import dataclass

from sparkiot_operator.resource.status import Phase

from .diagnosis import PodView
from .lifecycle import Plan, Step
from .report import DriverReport, DriverRunState


@dataclass(frozen=True, slots=True)
class Health:
    """The job's phase, and the condition Ready with its reason and message."""

    phase: Phase
    reason: str
    message: str
    ready: bool = False


def health(plan: Plan, view: PodView, report: DriverReport | None, *, unreachable: str | None = None) -> Health:
    """report: the driver's last one; None before the first. unreachable: why the last call to it failed."""
    if plan.step is not Step.RUN:
        return Health(plan.phase, plan.reason, plan.message)
    if view.driver.reason:
        return Health(plan.phase, view.driver.reason, view.driver.message)
    if report is None:
        silent = unreachable is not None and view.driver.ready
        message = unreachable if silent and unreachable else "the driver pod runs, and Spark starts in it"
        return Health(Phase.PENDING, "DriverUnreachable" if silent else "DriverStarting", message)
    if report.state is DriverRunState.RUNNING:
        return _running(view, report)
    if report.state is DriverRunState.RESTARTING:
        return Health(Phase.RUNNING, "Restarting", report.message or "Spark restarts from its checkpoint")
    return Health(Phase.RUNNING, "DriverStarting", report.message or f"Spark: {report.state.value.lower()}")


def _running(view: PodView, report: DriverReport) -> Health:
    if failed := [query for query in report.queries if query.exception and not query.active]:
        message = "; ".join(f"query {query.name or query.id}: {query.exception}" for query in failed)
        return Health(Phase.RUNNING, "QueryFailed", message)
    if not any(query.active for query in report.queries):
        return Health(Phase.RUNNING, "Starting", "the application runs, and has no active streaming query yet")
    cause = view.executors.cause
    if cause is not None and not report.executors.running:
        return Health(Phase.RUNNING, cause.reason, cause.message)
    return Health(Phase.RUNNING, "Running", "the job runs and is observed", ready=True)
