"""Builders of jobs, evaluations and observations for tests: a quiet, healthy job unless a test says otherwise."""

from dataclasses import replace
from typing import Any

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Context, Evaluation
from sparkiot_policies.history import History
from sparkiot_policies.job import Job, Limits
from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_policies.objectives import Objectives, Weights
from sparkiot_policies.observation import Observation

NOW = 1_000_000.0
BALANCED = Weights(1 / 3, 1 / 3, 1 / 3)
UNKNOWN = Context(rate_mean=None, rate_spread=None, latency_ratio=None, attainment=None, budget_burn=None)


def allocation(
    executors: int = 4, *, gib: float = 2, tier: Tier = Tier.WARM, compression: Compression = Compression.LZ4
) -> Allocation:
    return Allocation(executors=executors, memory_mib=int(gib * 1024), tier=tier, compression=compression)


def job(*, budget: float | None = None, weights: Weights | None = BALANCED, **changes: Any) -> Job:
    """A job; keywords are fields of Limits, except those of Job itself."""
    own = {key: changes.pop(key) for key in list(changes) if key in Job.__dataclass_fields__}
    objectives = Objectives(weights=weights, budget_per_hour=budget)
    return replace(
        Job(name="city-traffic", initial=allocation(), objectives=objectives, limits=Limits(**changes)), **own
    )


def history(current: Allocation | None = None, **changes: Any) -> History:
    """A history that is complete for longer than any window."""
    return replace(History(since=NOW - 1e6, allocation=current or allocation()), **changes)


def evaluation(current: Allocation | None = None, **changes: Any) -> Evaluation:
    """An evaluation of measured values in which anything may be done.

    Keywords are fields of Evaluation, History or Observation; what two of them hold (running, pending) is set in both.
    """
    past = {key: changes.pop(key) for key in list(changes) if key in History.__dataclass_fields__ and key != "weights"}
    whole = {key: changes.pop(key) for key in list(changes) if key in Evaluation.__dataclass_fields__}
    changes |= {key: value for key, value in whole.items() if key in Observation.__dataclass_fields__}
    observed = {"workload_rate": 100.0, "backlog": 0.0, "trigger_interval": 10.0, "memory": 50.0, **changes}
    quiet = Evaluation(
        now=NOW,
        observation=Observation(**observed),
        context=UNKNOWN,
        weights=BALANCED,
        history=history(current, **past),
        backlog_growing=False,
        age_s=0.0,
    )
    return replace(quiet, **whole)


def measurement(time: float, **changes: Any) -> Measurement:
    """What a healthy job reports: 100 messages/s on four executors, one batch of 10 s of arrival that takes 4 s."""
    healthy = Measurement(
        time=time,
        rate=100.0,
        backlog=200.0,
        volume_mb=50.0,
        shuffle_mb=10.0,
        cpu=50.0,
        memory=50.0,
        running=4,
        pending=0,
        temperature=0.5,
        cost_per_hour=0.8,
        trigger_interval_s=10.0,
        batches=(Batch(time=time, rows=1000.0, duration_s=4.0, latency_ms=900.0),),
        applied=allocation(),
    )
    return replace(healthy, **changes)


class Scripted:
    """A policy that proposes a given sequence; an item that is an exception is raised."""

    def __init__(self, *script: Allocation | Exception, strange: tuple[str, ...] = (), name: str = "Scripted") -> None:
        self._script = list(script)
        self._strange = strange
        self.identity = PolicyIdentity(name)

    def needs(self) -> tuple[str, ...]:
        return ()

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        return self._strange

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        item = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(item, Exception):
            raise item
        return item
