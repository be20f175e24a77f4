"""The algebra of offsets: how far each of several logs was read. Pure.

Kafka partitions are logs, and so are the files of one run of a gateway: what is appended to a log comes after all that
is in it. A batch is what lies between two such sets of positions. Replaying it needs nothing else.
"""

from __future__ import annotations

from typing import Dict, Hashable, Iterable, Mapping, NamedTuple, TypeVar

Log = TypeVar("Log", bound=Hashable)
Positions = Dict[str, int]
"""By log. A log that is missing was not begun."""


class Entry(NamedTuple):
    """Something in a log that is read whole or not at all. size: in whatever a batch is bounded by."""

    log: str
    at: int
    key: str
    size: int


def between(entries: Iterable[Entry], start: Positions, end: Positions) -> list[Entry]:
    """Those after ``start`` up to and with ``end``, in order."""
    return sorted(e for e in entries if start.get(e.log, -1) < e.at <= end.get(e.log, -1))


def advanced(start: Positions, entries: Iterable[Entry]) -> Positions:
    """Where the logs stand when entries were read as well. Never behind ``start``."""
    found = dict(start)
    for entry in entries:
        found[entry.log] = max(found.get(entry.log, -1), entry.at)
    return found


def oldest(entries: Iterable[Entry], limit: int | None) -> list[Entry]:
    """The oldest over all logs, whose sizes add up to ``limit`` at most; one at least, so that a large one passes. All
    when None. Of each log it is what comes first there."""
    taken: list[Entry] = []
    total = 0
    for entry in sorted(entries, key=lambda entry: (entry.at, entry.log, entry.key)):
        total += entry.size
        if limit is not None and taken and total > limit:
            break
        taken.append(entry)
    return taken


def shared(waiting: Mapping[Log, int], limit: int) -> dict[Log, int]:
    """How much of what waits in each log goes into a batch of ``limit``: as even as can be, and ``limit`` in all where
    as much waits."""
    found: dict[Log, int] = {}
    left = limit
    for place, log in enumerate(sorted(waiting, key=lambda log: waiting[log])):
        found[log] = min(waiting[log], left // (len(waiting) - place))
        left -= found[log]
    return found


def packed(entries: Iterable[Entry], bins: int) -> list[list[Entry]]:
    """Entries in ``bins`` groups at most, of about one size; none is empty."""
    groups: list[list[Entry]] = [[] for _ in range(bins)]
    sizes = [0] * bins
    for entry in sorted(entries, key=lambda entry: (-entry.size, entry)):
        least = sizes.index(min(sizes))
        groups[least].append(entry)
        sizes[least] += entry.size
    return [sorted(group) for group in groups if group]
