"""Writes one job's status: changes that matter at once, new measurements from time to time, nothing twice."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from .errors import ApiError
from .events import EventRecorder, events_between
from .resource.status import SparkIoTJobStatus
from .status import is_urgent, merge_patch, to_json

Json = dict[str, Any]
RETRY_S = 1.0
"""Seconds without another attempt after one that failed."""
KNOWN = frozenset(field.alias or name for name, field in SparkIoTJobStatus.model_fields.items())


class StatusPublisher:
    """What a job's status is in the API, and what it shall be.

    stored: the status as the API server has it. patch: sends a merge patch of the status. interval_s: least real time
    between two patches of mere measurements.
    """

    def __init__(
        self,
        stored: Mapping[str, Any],
        *,
        patch: Callable[[Json], Awaitable[None]],
        events: EventRecorder,
        interval_s: float,
    ) -> None:
        self._patch = patch
        self._events = events
        self._interval_s = interval_s
        self._stored: Json = {key: value for key, value in stored.items() if key in KNOWN}
        self._written = self._failed = -math.inf
        self.published = parse_status(self._stored)
        self.current = self.published

    def clock_was_set(self) -> None:
        """Forget when anything was written: those times mean nothing any more."""
        self._written = self._failed = -math.inf

    async def publish(self, status: SparkIoTJobStatus, *, now: float) -> bool:
        """Make ``status`` the current one and write it if it is due; whether it was written.

        now: real time, epoch seconds. Raises ApiError: the API keeps the old status, the next call tries again.
        """
        self.current = status
        if not self._due(status, now):
            return False
        fresh = to_json(status)
        changes = merge_patch(self._stored, fresh)
        if not changes:
            return False
        try:
            await self._patch(changes)
        except ApiError:
            self._failed = now
            raise
        before, self.published, self._stored, self._written = self.published, status, fresh, now
        for event in events_between(before, status):
            await self._events.record(event, now=now)
        return True

    def _due(self, status: SparkIoTJobStatus, now: float) -> bool:
        """What a restarted operator must know is always due; the rest waits after a failure, and measurements do."""
        published = self.published
        if (status.allocation, status.phase) != (published.allocation, published.phase):
            return True
        if now - self._failed < RETRY_S:
            return False
        return is_urgent(published, status) or now - self._written >= self._interval_s


def parse_status(stored: Mapping[str, Any]) -> SparkIoTJobStatus:
    """The stored status; an empty one where another version wrote what this one cannot read."""
    try:
        return SparkIoTJobStatus.model_validate(stored)
    except ValidationError:
        return SparkIoTJobStatus()
