"""Whether and when a driver that ended is started again."""

from dataclasses import dataclass

from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.spec import RestartPolicy

MAX_BACKOFF_S = 300.0
"""A wait doubles no further than this, or than the policy's own first wait where that is longer."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start another driver. at: epoch seconds, not before which."""

    at: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Start none until somebody edits the job. reason: why, for people."""

    reason: str


def next_start(policy: RestartPolicy, *, failures: int, permanent: bool, now: float) -> Restart | GiveUp:
    """What follows the end of a driver.

    failures: in a row, this one included, at least 1; the caller forgets them after ``resetAfter`` of running.
    permanent: the failure is one that no repetition mends, such as a wrong Spark release. now: epoch seconds.
    """
    if policy.type == "Never":
        return GiveUp("restartPolicy.type is Never")
    if permanent:
        return GiveUp("no restart mends this: correct the job")
    if failures > policy.max_retries:
        return GiveUp(f"{failures} failures in a row, restartPolicy.maxRetries is {policy.max_retries}")
    return Restart(now + backoff_s(policy, failures))


def backoff_s(policy: RestartPolicy, failures: int) -> float:
    """Seconds to wait after so many failures in a row: the policy's own, doubled each time, up to a cap."""
    first = seconds(policy.backoff)
    doublings = min(max(failures, 1) - 1, 64)
    return float(min(first * 2**doublings, max(MAX_BACKOFF_S, first)))
