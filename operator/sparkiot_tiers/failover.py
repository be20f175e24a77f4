"""Which tier is used when the wanted one fails, and when it is tried again.

``Failover`` is the pure part: it remembers failures, and reads no clock. ``choose`` asks the servers.
"""

from __future__ import annotations

from typing import Callable, Mapping, NamedTuple, Sequence

from sparkiot_tiers.errors import TierError
from sparkiot_tiers.store import ARCHIVE, COLD, HOT, WARM, BlockStore

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

    def candidates(self, wanted: str, now: float) -> list[str]:
        """The tiers to try, in this order: without those that failed and are not to be tried again yet."""
        return [
            tier
            for tier in ORDER[wanted]
            if tier in self._tiers and (tier not in self._failures or self._failures[tier].retry_at <= now)
        ]

    def must_check(self, tier: str) -> bool:
        """Whether it failed last, so that it is to be checked before a batch relies on it."""
        return tier in self._failures

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


def choose(
    failover: Failover, stores: Mapping[str, BlockStore], wanted: str, clock: Callable[[], float]
) -> BlockStore | None:
    """The wanted tier's store if it works, else the next that does; None when none does.

    A tier that failed is checked first, when it is due. clock: seconds since the epoch; read after each check, as a
    check may take as long as a time-out.
    """
    for tier in failover.candidates(wanted, clock()):
        store = stores[tier]
        if failover.must_check(tier):
            try:
                store.check()
            except TierError as error:
                failover.failed(error, clock())
                continue
            failover.worked(tier)
        return store
    return None
