"""One turn of a job's loop, for tests of what is made of it."""

from typing import Any

from support_jobs import NOW, Scripted, allocation, evaluation, job, measurement

from sparkiot_operator.backends import BackendState
from sparkiot_operator.resource.status import Phase
from sparkiot_operator.status import Cycle
from sparkiot_policies.decide import decide

RUNNING = BackendState(phase=Phase.RUNNING, ready=True, reason="Running", message="the job runs")


def cycle(proposed: int = 6, *, state: BackendState | None = None, **changes: Any) -> Cycle:
    """A healthy job with four executors for which a policy proposes others; keywords are as for ``evaluation``."""
    seen = evaluation(**{"latency": 850.4, "attainment": 0.9987, "running": 4, **changes})
    decision = decide(job(), seen, Scripted(allocation(proposed)), fallback=Scripted(allocation()))
    return Cycle(
        time=NOW,
        job=job(),
        measurement=measurement(NOW),
        observe_error=None,
        evaluation=seen,
        decision=decision,
        allocation=decision.allocation,
        generation=7,
        state=state or RUNNING,
    )
