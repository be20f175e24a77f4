"""Writes one job's status: changes that matter at once, new measurements from time to time, nothing twice."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from .events import EventRecorder, events_between
from .resource.status import SparkIoTJobStatus
from .status import is_urgent, merge_patch, to_json

Json = dict[str, Any]
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
        self._written = -interval_s
        self.published = parse_status(self._stored)
        self.current = self.published

    async def publish(self, status: SparkIoTJobStatus, *, now: float) -> bool:
        """Make ``status`` the current one and write it if it is due; whether it was written.

        now: real time, epoch seconds. Raises ApiError: the API keeps the old status, the next call tries again.
        """
        self.current = status
        if not is_urgent(self.published, status) and now - self._written < self._interval_s:
            return False
        fresh = to_json(status)
        changes = merge_patch(self._stored, fresh)
        if not changes:
            return False
        await self._patch(changes)
        before, self.published, self._stored, self._written = self.published, status, fresh, now
        for event in events_between(before, status):
            await self._events.record(event, now=now)
        return True


def parse_status(stored: Mapping[str, Any]) -> SparkIoTJobStatus:
    """The stored status; an empty one where another version wrote what this one cannot read."""
    try:
        return SparkIoTJobStatus.model_validate(stored)
    except ValidationError:
        return SparkIoTJobStatus()
