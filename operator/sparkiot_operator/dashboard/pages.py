"""The pages as text: what is known, put into templates that escape whatever comes from the cluster."""

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sparkiot_operator.times import parse_timestamp

from . import formats
from .board import Board, Snapshot
from .chart import SPARK, draw
from .distance import distance
from .jobs import JobView
from .overview import COLUMNS, STATES, Query, overview
from .samples import SAMPLES

TEMPLATES = Path(__file__).parent / "templates"
REFRESH_S = 5
EVENTS = 50


@functools.cache
def templates() -> Environment:
    """The templates, compiled once. A name that nobody gave them is an error, not an empty text."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"f": formats, "refresh_s": REFRESH_S, "spark_size": SPARK}
    return environment


class Pages:
    """Renders one board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def overview(self, snapshot: Snapshot, query: Query) -> str:
        found = overview(snapshot.jobs or (), self._board.timelines, query)
        return self._render(
            "overview.html", snapshot, url=query.url(), query=found.query, view=found, columns=COLUMNS, states=STATES
        )

    async def job(self, snapshot: Snapshot, job: JobView, *, paused: bool) -> str:
        events, problem = await self._board.events(job.ref)
        timeline = self._board.timelines.find(job.ref)
        known = timeline is not None and len(timeline.samples) > 0
        return self._render(
            "job.html",
            snapshot,
            url=_job_url(job) + ("?updates=off" if paused else ""),
            paused=paused,
            job=job,
            job_url=_job_url(job),
            chart=draw(timeline) if timeline else None,
            distance=distance(timeline) if timeline else None,
            newest=timeline.samples[-1] if timeline and known else None,
            entries=list(reversed(timeline.entries)) if timeline else [],
            decision=timeline.decision if timeline else None,
            events=[_event(e) for e in events[:EVENTS]],
            events_problem=problem,
        )

    def numbers(self, snapshot: Snapshot, job: JobView) -> str:
        timeline = self._board.timelines.find(job.ref)
        return self._render(
            "numbers.html",
            snapshot,
            url=f"{_job_url(job)}/numbers",
            paused=True,
            job=job,
            job_url=_job_url(job),
            rule=timeline.rule if timeline else None,
            samples=list(reversed(timeline.samples)) if timeline else [],
        )

    def absent(self, snapshot: Snapshot, what: str) -> str:
        return self._render("absent.html", snapshot, url="/", paused=True, what=what)

    def _render(self, template: str, snapshot: Snapshot, **context: Any) -> str:
        board = self._board
        return (
            templates()
            .get_template(template)
            .render(
                snapshot=snapshot,
                now=board.clock(),
                history=board.history,
                standby=board.standby(),
                remembered=SAMPLES,
                **context,
            )
        )


def _job_url(job: JobView) -> str:
    return f"/jobs/{job.ref.namespace}/{job.ref.name}"


def _event(event: dict[str, Any]) -> dict[str, Any]:
    seen = event.get("lastTimestamp") or event.get("eventTime")
    try:
        time = parse_timestamp(seen) if isinstance(seen, str) else None
    except ValueError:
        time = None
    return {
        "time": time,
        "warning": event.get("type") == "Warning",
        "reason": str(event.get("reason") or ""),
        "message": str(event.get("message") or ""),
        "count": event.get("count") if isinstance(event.get("count"), int) else 1,
    }
