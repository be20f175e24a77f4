"""Whether the job is at rest, so that the next burst meets it as on an ordinary day, and as the other one did."""

from collections.abc import Mapping
from typing import Any

from sparkiot_operator.resource.base import seconds
from sparkiot_policies.decision import Reason


class Rest:
    """At rest is a job of which each look for ``least_s`` seconds said: one executor wanted and at work, its policy
    content with that, batches within the target, no alarm. Its policy is content only once it knows what an executor
    can do; before, it holds.

    least_s: seconds. target_s: of the latency.
    """

    def __init__(self, *, least_s: float, target_s: float) -> None:
        self._least_s = least_s
        self._target_s = target_s
        self._since: float | None = None
        self._wanting = "nobody has looked"

    def look(self, status: Mapping[str, Any], *, reason: Reason | None, alarm: bool | None, now: float) -> None:
        """Take in the job's status. reason: of the newest decision, of which a status tells only where it changed
        something. alarm: of the edge's newest signal. None: before the first. now: seconds."""
        self._wanting = self._missing(status, reason=reason, alarm=alarm)
        if self._wanting:
            self._since = None
        elif self._since is None:
            self._since = now

    def missing(self, now: float) -> str:
        """What it lacks, for people; empty when the job is at rest."""
        if self._since is None:
            return self._wanting
        rested = now - self._since
        return "" if rested >= self._least_s else f"at rest for {rested:.0f} s of {self._least_s:.0f}"

    def _missing(self, status: Mapping[str, Any], *, reason: Reason | None, alarm: bool | None) -> str:
        wanted = (status.get("allocation") or {}).get("executors")
        running = status.get("replicas")
        latency = (status.get("latency") or {}).get("observed")
        if (wanted, running) != (1, 1):
            return f"executors: {wanted} wanted, {running} at work"
        if reason is not Reason.STEADY:
            return f"the last decision is {reason}" if reason else "nothing was decided yet"
        if latency is None or seconds(latency) > self._target_s:
            return f"the latency is {latency or 'unknown'}"
        if alarm is not False:
            return "the edge says nothing yet" if alarm is None else "the edge has an alarm"
        return ""
