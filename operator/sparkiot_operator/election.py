"""Who acts, where several operators run: the one that holds the Lease, and that one only while it surely does.

As in client-go, a candidate takes a Lease that did not change for its duration, by its own clock; the holder renews it
more often, and gives up before the others may take it. What is added is the fence: before every call that changes
something, ``check`` asks a clock that goes on while the process is stopped. A holder that was suspended and wakes up
after its time is refused before its call goes out, whatever it was about to do.
"""

import asyncio
import contextlib
import enum
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .errors import ApiConflictError, ApiError, ApiNotFoundError, NotLeadingError
from .lease import Lease, LeaseStore

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds.

    duration: after which others take a lease that is not renewed. deadline: after which its holder gives up without a
    renewal; below the duration, so that a call that is under way then still ends within it. retry: between two
    renewals, or looks.
    """

    duration: float
    deadline: float
    retry: float


class Holder(enum.Enum):
    """Whose the lease is, as far as one look told."""

    SELF = "self"
    OTHER = "other"
    UNKNOWN = "unknown"


class Election:
    """One candidate. identity: unique among all candidates, also among lives of one pod.

    wall: epoch seconds, for what is written. clock: seconds of a clock that never stands still or jumps, for what is
    decided. sleep: for tests.
    """

    def __init__(
        self,
        lease: LeaseStore,
        *,
        identity: str,
        timing: Timing,
        wall: Callable[[], float],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._lease = lease
        self._identity = identity
        self._timing = timing
        self._wall = wall
        self._clock = clock
        self._sleep = sleep
        self._seen: Lease | None = None
        self._seen_at = 0.0
        self._held: Lease | None = None
        self._until = float("-inf")

    @property
    def leading(self) -> bool:
        return self._clock() < self._until

    def check(self) -> None:
        """Raises NotLeadingError unless this process surely holds the lease now."""
        if not self.leading:
            raise NotLeadingError(f"{self._identity} does not hold the lease (any more): the call was not made")

    async def acquire(self) -> None:
        """Wait until this candidate leads. An API server that does not answer is waited for."""
        while await self._try() is not Holder.SELF:
            await self._sleep(self._timing.retry)
        LOGGER.info("%s leads", self._identity)

    async def hold(self) -> None:
        """Renew as long as that works. Raises NotLeadingError when it does not."""
        while True:
            await self._sleep(self._timing.retry)
            self.check()
            if await self._try() is Holder.OTHER:
                self._held, self._until = None, float("-inf")
                raise NotLeadingError(f"{self._identity} has lost the lease to {self._seen and self._seen.holder}")

    async def release(self) -> None:
        """Give the lease back, so that another one takes it at once. What fails then runs out by itself."""
        held, self._held, leading = self._held, None, self.leading
        self._until = float("-inf")
        if held is not None and leading:
            with contextlib.suppress(ApiError):
                await self._lease.write(held.released(now=self._wall()))
                LOGGER.info("%s has released the lease", self._identity)

    async def _try(self) -> Holder:
        """Take the lease, or renew it."""
        asked = self._clock()
        try:
            held = await self._write()
        except ApiConflictError:
            self._held = None  # somebody has written in between: look again
            return Holder.UNKNOWN
        except ApiError as error:
            LOGGER.warning("the lease could not be %s: %s", "renewed" if self.leading else "looked at", error)
            return Holder.UNKNOWN
        if held is None:
            return Holder.OTHER
        # Time counts from before the request: nobody can have seen the renewal earlier.
        self._held, self._until = held, asked + self._timing.deadline
        return Holder.SELF

    async def _write(self) -> Lease | None:
        """The lease as it was written; None where it is another's."""
        now, timing = self._wall(), self._timing
        if self._held is not None:
            return await self._lease.write(self._held.renewal(now=now))
        try:
            found = await self._lease.read()
        except ApiNotFoundError:
            return await self._lease.create(Lease.first(self._identity, duration_s=timing.duration, now=now))
        if found.holder == self._identity:
            return await self._lease.write(found.renewal(now=now))
        if found != self._seen:
            self._seen, self._seen_at = found, self._clock()
        if found.holder and self._clock() < self._seen_at + found.duration_s:
            return None
        return await self._lease.write(found.taken(self._identity, duration_s=timing.duration, now=now))
