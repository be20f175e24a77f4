"""From Spark's StreamingQueryProgress (its JSON) to batches, rates and what is left to do. Pure."""

from __future__ import annotations

import datetime
import re
from typing import Any, Mapping, NamedTuple

JSON = Mapping[str, Any]

JITTER_SECONDS = 0.5
"""A batch that starts this much later than it could have was not held up: its query had been waiting for data."""
_FILE_SOURCE = re.compile(r"FileStreamSource\[(file:.*)\]$")
_RATE_SOURCE = re.compile(r"RateStreamV2\[rowsPerSecond=(\d+), rampUpTimeSeconds=(\d+)")
_RATE_PER_BATCH = "RatePerMicroBatch"


class Batch(NamedTuple):
    """One micro-batch that had rows. Times are epoch seconds, durations seconds."""

    query: str
    batch_id: int
    start: float
    end: float
    rows: int
    latency: float

    def to_wire(self, seq: int) -> dict[str, Any]:
        return {
            "seq": seq,
            "query": self.query,
            "batchId": self.batch_id,
            "start": self.start,
            "end": self.end,
            "rows": self.rows,
            "durationSeconds": round(self.end - self.start, 3),
            "latencySeconds": round(self.latency, 3),
        }


class Source(NamedTuple):
    """One source of a query as its newest batch left it.

    backlog: rows behind at ``told_at`` where the source tells, else None. growth: rows that arrive a second after
    that, 0 unless the source's schedule is known. folder: of a file source on a local disk. first_log, last_log:
    the batch covered the source's log entries after the first up to and with the last.
    """

    backlog: float | None
    told_at: float
    growth: float
    folder: str | None
    rows: int
    first_log: int
    last_log: int


class Progress(NamedTuple):
    """What one progress event says. A rate or size that it does not say is None."""

    id: str
    run_id: str
    name: str | None
    batch_id: int
    start: float
    duration: float
    rows: int
    input_rate: float | None
    processed_rate: float | None
    state_rows: int | None
    state_bytes: int | None
    sources: list[Source]

    @property
    def end(self) -> float:
        return self.start + self.duration


def parse(event: JSON) -> Progress:
    """Read the JSON of one StreamingQueryProgress. Raises KeyError or ValueError when it is not one."""
    start = _epoch(event["timestamp"])
    duration_ms = event.get("batchDuration") or (event.get("durationMs") or {}).get("triggerExecution") or 0
    operators = event.get("stateOperators") or []
    return Progress(
        id=event["id"],
        run_id=event["runId"],
        name=event.get("name"),
        batch_id=int(event["batchId"]),
        start=start,
        duration=duration_ms / 1000,
        rows=int(event.get("numInputRows") or 0),
        input_rate=_number(event.get("inputRowsPerSecond")),
        processed_rate=_number(event.get("processedRowsPerSecond")),
        state_rows=sum(int(o["numRowsTotal"]) for o in operators) if operators else None,
        state_bytes=sum(int(o["memoryUsedBytes"]) for o in operators) if operators else None,
        sources=[_source(s, start) for s in event.get("sources") or []],
    )


def latency(
    batch: Progress,
    previous: Progress | None,
    interval: float | None,
    *,
    looked_until: float | None = None,
    restarted: bool = False,
) -> float:
    """Seconds from the arrival of a batch's oldest row, at most, to the batch's end.

    A row that the previous batch just missed waits from that batch's start, or from ``looked_until`` when the query
    looked for data in vain after it. Where the query sat idle in between, nothing waited that long: a new row waits
    one trigger interval at most. So it does for a query's first batch. A batch that is late because the query was
    ``restarted`` before it is late, not idle.
    """
    step = interval or 0.0
    if previous is None:
        return step + batch.duration
    due = max(previous.end, previous.start + step)
    if batch.start > due + JITTER_SECONDS and not restarted:
        return step + batch.duration
    return max(batch.start - max(previous.start, looked_until or 0.0), 0.0) + batch.duration


def told_backlog(source: Source, now: float) -> float | None:
    """Rows of a source that are due but not in a completed batch, from what its progress told; None if it did not."""
    if source.backlog is None:
        return None
    return source.backlog + source.growth * max(now - source.told_at, 0.0)


def _source(source: JSON, planned_at: float) -> Source:
    description = str(source.get("description"))
    start, end, latest = source.get("startOffset"), source.get("endOffset"), source.get("latestOffset")
    folder = _FILE_SOURCE.match(description)
    rate = _RATE_SOURCE.match(description)
    backlog: float | None = None
    growth = 0.0
    if rate and isinstance(end, int) and isinstance(latest, int) and latest >= int(rate.group(2)):
        growth = float(rate.group(1))  # after its ramp-up the rate source makes this many rows each second
        backlog = (latest - end) * growth
    elif _RATE_PER_BATCH in description:
        backlog = 0.0  # it makes rows when a batch asks for them
    elif isinstance(end, dict) and isinstance(latest, dict):
        backlog = _partitions_behind(end, latest)
    return Source(
        backlog=backlog,
        told_at=planned_at,
        growth=growth,
        folder=folder.group(1) if folder else None,
        rows=int(source.get("numInputRows") or 0),
        first_log=_log_offset(start),
        last_log=_log_offset(end),
    )


def _partitions_behind(end: JSON, latest: JSON) -> float | None:
    """Kafka's offsets are ``{topic: {partition: offset}}``; None for offsets of any other form."""
    try:
        return float(sum(max(n - end.get(t, {}).get(p, n), 0) for t, parts in latest.items() for p, n in parts.items()))
    except (AttributeError, TypeError):
        return None


def _log_offset(offset: object) -> int:
    return int(offset["logOffset"]) if isinstance(offset, dict) and "logOffset" in offset else -1


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _epoch(timestamp: str) -> float:
    moment = datetime.datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007 - the zone comes next
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()
