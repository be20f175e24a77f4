"""The streaming queries of a job and their batches, over all starts of Spark in this process. Pure but for folders."""

from __future__ import annotations

from collections import deque
from typing import Any, Mapping

from sparkiot_driver import progress as reading
from sparkiot_driver.landing import Landing
from sparkiot_driver.progress import Batch, Progress

JSON = Mapping[str, Any]

KEPT_BATCHES = 500
KEPT_QUERIES = 50


class Query:
    """One query by its id, which outlives a restart where it has a checkpoint."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.run_id: str | None = None
        self.name: str | None = None
        self.active = False
        self.exception: str | None = None
        self.interval: float | None = None
        self.checkpoint: str | None = None
        self.newest: Progress | None = None
        self.looked_until: float | None = None
        self.batch_since: float | None = None
        self.started_at: float | None = None
        self.fresh = False  # nothing has been heard of it since its latest start
        self._landings: dict[int, Landing] = {}

    def progressed(self, progress: Progress) -> Batch | None:
        """Take in a finished trigger; its batch when it had rows."""
        batch = None
        if progress.rows > 0:
            latency = reading.latency(
                progress, self.newest, self.interval, looked_until=self.looked_until, restarted=self.fresh
            )
            batch = Batch(self.id, progress.batch_id, progress.start, progress.end, progress.rows, latency)
        self.newest, self.fresh, self.batch_since = progress, False, None
        self.looked_until = progress.start
        for number, landing in self._folders(progress):
            landing.completed(progress.sources[number])
        return batch

    def backlog(self, now: float) -> float | None:
        """Rows that wait in all sources; None when one of them cannot tell."""
        if self.newest is None or not self.newest.sources:
            return None
        folders = dict(self._folders(self.newest))
        total = 0.0
        for number, source in enumerate(self.newest.sources):
            rows = folders[number].backlog(source.last_log) if number in folders else reading.told_backlog(source, now)
            if rows is None:
                return None
            total += rows
        return total

    def to_wire(self, now: float) -> dict[str, Any]:
        newest = self.newest
        return {
            "id": self.id,
            "runId": self.run_id,
            "name": self.name,
            "active": self.active,
            "exception": self.exception,
            "triggerIntervalSeconds": self.interval,
            "batchId": newest.batch_id if newest else None,
            "inputRowsPerSecond": newest.input_rate if newest else None,
            "processedRowsPerSecond": newest.processed_rate if newest else None,
            "backlogRows": self.backlog(now) if self.active else None,
            "stateRows": newest.state_rows if newest else None,
            "stateBytes": newest.state_bytes if newest else None,
            "batchRunningSeconds": max(now - self.batch_since, 0.0) if self.batch_since is not None else None,
        }

    def _folders(self, progress: Progress) -> list[tuple[int, Landing]]:
        """The sources that read a folder, by number; the source's log lies under the query's checkpoint."""
        if self.checkpoint is None:
            return []
        for number, source in enumerate(progress.sources):
            if source.folder is not None and number not in self._landings:
                self._landings[number] = Landing(source.folder, f"{self.checkpoint}/sources/{number}")
        return sorted(self._landings.items())


class Queries:
    """All queries; batches carry numbers that grow over restarts."""

    def __init__(self) -> None:
        self.by_id: dict[str, Query] = {}
        self.rows = 0
        self.batches = 0
        self.failed = 0
        """Batches that failed: each ends its query, which may begin again and run the batch once more."""
        self.arrived_until: float | None = None
        self._kept: deque[tuple[int, Batch]] = deque(maxlen=KEPT_BATCHES)

    def started(self, event: JSON) -> None:
        query = self._get(event["id"])
        query.run_id, query.name = event["runId"], event.get("name")
        query.interval, query.checkpoint = event.get("triggerSeconds"), event.get("checkpoint")
        query.active, query.exception, query.batch_since, query.fresh = True, None, None, True
        query.started_at = event["time"]

    def progressed(self, progress: Progress) -> None:
        query = self._get(progress.id)
        query.run_id, query.name = progress.run_id, progress.name
        batch = query.progressed(progress)
        if batch is not None:
            self.rows += batch.rows
            self.batches += 1
            self._kept.append((self.batches, batch))
        self._advance()

    def idle(self, event: JSON) -> None:
        """Spark says that a query looked for data in vain."""
        query = self._get(event["id"])
        query.fresh, query.looked_until = False, event["time"]
        self._advance()

    def terminated(self, event: JSON) -> None:
        query = self._get(event["id"])
        self.failed += event.get("exception") is not None
        if query.run_id in (None, event["runId"]):
            query.active, query.exception, query.batch_since = False, event.get("exception"), None

    def running(self, triggers: Mapping[str, bool], now: float) -> None:
        """Which queries have a batch running now, by id."""
        for id_, busy in triggers.items():
            query = self._get(id_)
            query.batch_since = (query.batch_since or now) if busy else None

    def new_start(self) -> None:
        """Spark starts anew: no query runs until it says so."""
        for query in self.by_id.values():
            query.active, query.batch_since = False, None

    @property
    def active(self) -> list[Query]:
        return [query for query in self.by_id.values() if query.active]

    @property
    def state_bytes(self) -> int | None:
        sizes = [q.newest.state_bytes for q in self.active if q.newest and q.newest.state_bytes is not None]
        return sum(sizes) if sizes else None

    @property
    def last_end(self) -> float | None:
        """When the newest batch of any query ended."""
        return max((q.newest.end for q in self.by_id.values() if q.newest), default=None)

    def batches_after(self, seq: int) -> list[dict[str, Any]]:
        return [batch.to_wire(number) for number, batch in self._kept if number > seq]

    def _advance(self) -> None:
        looked = [q.looked_until for q in self.active if q.looked_until is not None]
        if looked:
            self.arrived_until = max(min(looked), self.arrived_until or 0.0)

    def _get(self, id_: str) -> Query:
        if id_ not in self.by_id:
            spare = max(len(self.by_id) - KEPT_QUERIES + 1, 0)
            for old in [q.id for q in self.by_id.values() if not q.active][:spare]:
                del self.by_id[old]
            self.by_id[id_] = Query(id_)
        return self.by_id[id_]
