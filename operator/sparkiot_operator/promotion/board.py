"""What the jobs of one canary know of each other. All of them are run by one process, the leader: no API is asked."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sparkiot_policies.promotion.canary import CanaryStanding, CanaryState

Key = tuple[str, str]
"""Namespace, as jobs of others must not be able to take a canary away; and the canary's fingerprint."""


@dataclass(frozen=True, slots=True)
class CanaryBoard:
    """Bounded by the number of jobs: each has one entry, which goes with it."""

    _standings: dict[Key, dict[str, CanaryStanding]] = field(default_factory=dict)
    _keys: dict[str, Key] = field(default_factory=dict)

    def report(self, key: Key, uid: str, standing: CanaryStanding) -> None:
        """A job has one canary: what it reported of another is forgotten."""
        if self._keys.get(uid, key) != key:
            self.forget(uid)
        self._keys[uid] = key
        self._standings.setdefault(key, {})[uid] = standing

    def forget(self, uid: str) -> None:
        """The job is gone, or states no canary any more."""
        key = self._keys.pop(uid, None)
        if key is None:
            return
        group = self._standings[key]
        del group[uid]
        if not group:
            del self._standings[key]

    def others(self, key: Key, uid: str) -> Iterator[CanaryStanding]:
        return (standing for other, standing in self._standings.get(key, {}).items() if other != uid)

    def withdrawn(self, key: Key) -> str | None:
        """Why one of the jobs had the canary withdrawn; None while none had."""
        found = self._standings.get(key, {}).values()
        return next((standing.reason for standing in found if standing.state is CanaryState.WITHDRAWN), None)
