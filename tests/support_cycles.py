"""One turn of a job's loop, for tests of what is made of it."""

from dataclasses import replace
from typing import Any

from support_jobs import NOW, Scripted, allocation, evaluation, job, measurement
from support_promotion import promotion_view

from sparkiot_operator.backends import BackendState
from sparkiot_operator.resource.status import DriverStatus, Phase, ShuffleStatus, TierTroubleStatus
from sparkiot_operator.signals.watch import SignalsView
from sparkiot_operator.spark.shuffle_state import ShuffleState
from sparkiot_operator.status import Cycle
from sparkiot_policies.allocation import Compression, Tier
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


def live_cycle(*, restarts: int = 0, pod_uid: str | None = "p1", ready: bool = True, **changes: Any) -> Cycle:
    """The same of a live job: with a driver, a tiered shuffle whose hot tier fails, burst signals, a policy in shadow
    and a canary."""
    state = BackendState(
        phase=Phase.RUNNING,
        ready=ready,
        reason="Running" if ready else "Restarting",
        message="the job runs",
        driver=DriverStatus(pod="city-driver", pod_uid=pod_uid, restarts=restarts),
        shuffle=ShuffleState(
            status=ShuffleStatus(
                wanted_tier=Tier.HOT,
                tier=Tier.WARM,
                compression=Compression.LZ4,
                raw_bytes=4000,
                stored_bytes=1000,
                write_time="0.25s",
                read_time="0.5s",
                batch_time="1.5s",
            ),
            troubles=(TierTroubleStatus(tier=Tier.HOT, reason="TierFull", message="no room"),),
            checked=True,
        ),
    )
    view = SignalsView(
        followed_s=100, stale_after_s=30, age_s=2.5, time=NOW - 2.5, source="g/c", accepted=5, dropped={"Stale": 2}
    )
    return replace(cycle(state=state, temperature=0.5, **changes), signals=view, promotion=promotion_view())
