"""What a burst did to a job, from what everybody leaves: the API server's log of requests, and the rows in the sink.

Latency is end to end: from the time that a device put into its message to the end of the batch that wrote it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class WrittenBatch:
    """end: epoch seconds at which its rows were complete. sent: when the devices sent them, ascending."""

    end: float
    sent: tuple[float, ...]

    @property
    def latency_s(self) -> float:
        """Of its oldest message."""
        return self.end - self.sent[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstOutcome:
    """begun: when devices began to send more, epoch seconds. alarm_s, requested_s, running_s: seconds from there to the
    edge's alarm, to the first request for an executor pod at the API server, and to its executor at work; None where it
    did not come. on_time: share of the batches that met the target; messages_on_time: of the messages. median_s,
    worst_s: latency of the batches; None without a batch."""

    begun: float
    alarm_s: float | None
    requested_s: float | None
    running_s: float | None
    batches: int
    on_time: float | None
    messages_on_time: float | None
    median_s: float | None
    worst_s: float | None


def outcome(
    begun: float,
    end: float,
    *,
    target_s: float,
    batches: Sequence[WrittenBatch],
    alarms: Sequence[float],
    requests: Sequence[float],
    grown: Sequence[float],
) -> BurstOutcome:
    """Of the burst from begun to end, its aftermath included; epoch seconds. alarms: when one rose. requests: for
    executor pods. grown: when the number of running executors rose."""
    hit = [batch for batch in batches if begun <= batch.sent[-1] and batch.sent[0] <= end]
    latencies = [batch.latency_s for batch in hit]
    waits = [batch.end - sent for batch in hit for sent in batch.sent if begun <= sent <= end]
    return BurstOutcome(
        begun=begun,
        alarm_s=_after(begun, end, alarms),
        requested_s=_after(begun, end, requests),
        running_s=_after(begun, end, grown),
        batches=len(hit),
        on_time=_share(latencies, target_s),
        messages_on_time=_share(waits, target_s),
        median_s=median(latencies) if latencies else None,
        worst_s=max(latencies, default=None),
    )


def _after(begun: float, end: float, moments: Sequence[float]) -> float | None:
    return next((moment - begun for moment in sorted(moments) if begun <= moment <= end), None)


def _share(values: Sequence[float], bound: float) -> float | None:
    return sum(value <= bound for value in values) / len(values) if values else None


def written_batches(rows: Path) -> list[WrittenBatch]:
    """Of a sink of batch folders, in the order of their ends. Those without rows are left out."""
    found = []
    for done in rows.glob("batch=*/_SUCCESS"):
        sent = sorted(time for file in done.parent.glob("part-*") for time in _times(file))
        if sent:
            found.append(WrittenBatch(done.stat().st_mtime, tuple(sent)))
    return sorted(found, key=lambda batch: batch.end)


def _times(file: Path) -> Iterator[float]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield datetime.fromisoformat(json.loads(line)["time"]).timestamp()


def executor_requests(log: Path, namespace: str) -> list[float]:
    """When drivers of a namespace asked the API server for pods, epoch seconds."""
    user = f"system:serviceaccount:{namespace}:"
    with log.open(encoding="utf-8") as lines:
        return sorted(found for line in lines if user in line and (found := _pod_request(line)) is not None)


def _pod_request(line: str) -> float | None:
    event = json.loads(line)
    about = event.get("objectRef", {})
    if event["verb"] != "create" or about.get("resource") != "pods" or "subresource" in about:
        return None
    return datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
