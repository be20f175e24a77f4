"""Which tiers stand in for one that fails, and when that is tried again. Pure: no server is asked, no clock read."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from sparkiot_tiers.errors import TierError
from sparkiot_tiers.store import ARCHIVE, COLD, HOT, WARM

FIRST_RETRY_SECONDS = 5.0
LAST_RETRY_SECONDS = 300.0
ORDER: Mapping[str, tuple[str, ...]] = {
    HOT: (HOT, WARM, COLD, ARCHIVE),
    WARM: (WARM, COLD, HOT, ARCHIVE),
    COLD: (COLD, WARM, HOT, ARCHIVE),
    ARCHIVE: (ARCHIVE, COLD, WARM, HOT),
}
"""For each tier those that stand in for it: the next slower one, which costs less, before a faster one, and an archive
last, as what is in it may have to be restored first."""


class Failure(NamedTuple):
    """A tier that failed. Times in seconds since the epoch, of the clock that the caller gave.

    reason: the error's name, such as TierFull. failures: how often in a row. retry_at: when it is tried next.
    """

    tier: str
    reason: str
    message: str
    since: float
    failures: int
    retry_at: float


class Failover:
    """What is known of a job's tiers. tiers: those that it has. Not safe for several threads at once."""

    def __init__(
        self,
        tiers: Sequence[str],
        *,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
        last_retry_seconds: float = LAST_RETRY_SECONDS,
    ) -> None:
        self._tiers = tuple(tiers)
        self._first, self._last = first_retry_seconds, last_retry_seconds
        self._failures: dict[str, Failure] = {}

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The tiers that failed and have not worked since."""
        return tuple(self._failures[tier] for tier in self._tiers if tier in self._failures)

    def failure(self, tier: str) -> Failure | None:
        """What it failed of last; None for a tier that works as far as is known."""
        return self._failures.get(tier)

    def failed(self, error: TierError, now: float) -> Failure:
        """Take a failure in; the back-off doubles with each in a row."""
        before = self._failures.get(error.tier)
        times = before.failures + 1 if before else 1
        delay = min(self._first * 2.0 ** min(times - 1, 30), self._last)
        failure = Failure(
            tier=error.tier,
            reason=error.reason,
            message=str(error),
            since=before.since if before else now,
            failures=times,
            retry_at=now + delay,
        )
        self._failures[error.tier] = failure
        return failure

    def worked(self, tier: str) -> None:
        """Take in that a tier did what it was asked for."""
        self._failures.pop(tier, None)
