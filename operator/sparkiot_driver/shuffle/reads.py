"""What reduce tasks read, gathered in the driver through one accumulator of Spark's."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Tuple

from pyspark.accumulators import Accumulator, AccumulatorParam

Segment = Tuple[str, int]
"""Exchange and partition."""
Seen = Dict[Segment, List[Any]]
"""By segment: how often it was read, and by tier the seconds and stored bytes of all readings."""


class Readings(NamedTuple):
    """Of one batch. segment_bytes: of all segments, each counted once; again_bytes: of those read more than once."""

    segment_bytes: int
    again_bytes: int
    by_tier: dict[str, tuple[float, int]]


class Merged(AccumulatorParam[Seen]):  # type: ignore[misc] # mypy does not follow pyspark
    """Adds up readings of the same segment."""

    def zero(self, value: Seen) -> Seen:  # noqa: ARG002 - Spark's signature
        return {}

    def addInPlace(self, value1: Seen, value2: Seen) -> Seen:  # noqa: N802 - Spark names it
        for segment, (times, by_tier) in value2.items():
            known = value1.setdefault(segment, [0, {}])
            known[0] += times
            for tier, (seconds, size) in by_tier.items():
                before = known[1].get(tier, [0.0, 0])
                known[1][tier] = [before[0] + seconds, before[1] + size]
        return value1


def taken(accumulator: Accumulator[Seen], exchanges: set[str]) -> Readings:
    """The readings of these exchanges, which are forgotten: an accumulator lives as long as Spark."""
    seen = accumulator.value
    mine = {segment: seen.pop(segment) for segment in list(seen) if segment[0] in exchanges}
    by_tier: dict[str, tuple[float, int]] = {}
    segment_bytes = again_bytes = 0
    for times, figures in mine.values():
        size = sum(stored for _, stored in figures.values()) // times
        segment_bytes += size
        again_bytes += size if times > 1 else 0
        for tier, (seconds, stored) in figures.items():
            before = by_tier.get(tier, (0.0, 0))
            by_tier[tier] = (before[0] + seconds, before[1] + stored)
    return Readings(segment_bytes, again_bytes, by_tier)
