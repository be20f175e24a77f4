"""What live jobs took, from what they leave anyway: the operator's audit log and the API server's.

- from decision to request: from the start of the cycle that decided on more executors to the arrival of the first
  request for an executor pod at the API server;
- from request to registration: as the driver measured it;
- how old an observation was when the policy saw it.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from sparkiot_operator.audit import AuditRecord, read_audit
from sparkiot_operator.pipeline.outcome import executor_requests

CLOSE_S = 5.0
"""A pod that is requested later than this after a decision belongs to something else, such as a lost executor."""


def decision_to_request(records: Sequence[AuditRecord], requests: Sequence[float]) -> list[float]:
    """Seconds, of each decision on more executors of the same size that a request follows closely."""
    found = []
    for record in records:
        before, after = record.decision.previous, record.decision.allocation
        if after.executors > before.executors and after.memory_mib == before.memory_mib:
            first = next((at for at in requests if at >= record.decision.time), None)
            if first is not None and first - record.decision.time < CLOSE_S:
                found.append(first - record.decision.time)
    return found


def request_to_registration(records: Sequence[AuditRecord]) -> list[float]:
    """Seconds, each figure once: the driver repeats that of its newest executor until there is another."""
    told = [r.evaluation.observation.startup for r in records if r.evaluation.observation.startup is not None]
    return [new for old, new in pairwise([None, *told]) if new is not None and new != old]


def ages(records: Sequence[AuditRecord]) -> list[float]:
    """Seconds between a decision and the reading of Spark's figures that it rests on, where there was a new one."""
    found, newest = [], -math.inf
    for record in records:
        read = record.evaluation.now - record.evaluation.age_s
        if read > newest:
            found.append(record.evaluation.age_s)
            newest = read
    return found


def figures(audit: Path, api_log: Path | None, namespace: str) -> Iterator[str]:
    """Lines for people, one a figure and job; only what was measured."""
    records = list(read_audit([audit])) if audit.exists() else []
    requests = executor_requests(api_log, namespace) if api_log else []
    for name in dict.fromkeys(record.ref.name for record in records):
        own = [record for record in records if record.ref.name == name]
        for what, seconds in (
            ("decision to the first executor pod's request", decision_to_request(own, requests)),
            ("request to registered executor", request_to_registration(own)),
            (f"age of an observation, interval {own[-1].job.interval_s:g} s", ages(own)),
        ):
            if seconds:
                yield f"{name}: {what}: {summary(seconds)}"


def summary(seconds: Iterable[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[0]:.2f} to {ordered[-1]:.2f} s, median {statistics.median(ordered):.2f} s, of {len(ordered)}"
