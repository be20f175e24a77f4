"""The table of all jobs: which of them, in which order, and what they are together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlencode

from .chart import spark
from .jobs import JobView
from .samples import Sample, Timeline, Timelines

PAGE_SIZE = 200
"""Rows of one page: as many as a browser morphs without a person noticing."""


@dataclass(frozen=True, slots=True)
class Row:
    job: JobView
    newest: Sample | None
    spark: str

    @property
    def load(self) -> float | None:
        return self.newest.load if self.newest else None

    @property
    def late(self) -> bool:
        job = self.job
        return job.latency_s is not None and job.target_s is not None and job.latency_s > job.target_s


@dataclass(frozen=True, slots=True)
class Column:
    """key: in the address. of: what it is sorted by. numeric: right-aligned. falling: the largest come first."""

    key: str
    heading: str
    of: Callable[[Row], Any]
    numeric: bool = False
    falling: bool = False


COLUMNS: Sequence[Column] = (
    Column("job", "Job", lambda r: (r.job.ref.namespace, r.job.ref.name)),
    Column("state", "State", lambda r: r.job.severity),
    Column("load", "Load", lambda r: r.load, numeric=True, falling=True),
    Column("executors", "Executors", lambda r: r.job.running, numeric=True, falling=True),
    Column("allocation", "Memory, tier", lambda r: _pair(r.job.memory, r.job.tier)),
    Column("latency", "Latency", lambda r: _ratio(r.job.latency_s, r.job.target_s), numeric=True, falling=True),
    Column("attained", "Attained", lambda r: r.job.attainment, numeric=True, falling=True),
    Column("cost", "Cost", lambda r: r.job.cost, numeric=True, falling=True),
    Column("change", "Last change", lambda r: r.job.decision.time if r.job.decision else None, falling=True),
)
BY_KEY: Mapping[str, Column] = {column.key: column for column in COLUMNS}
STATES = {"trouble": "in trouble", "running": "running", "rest": "not running"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What the address asks for. sort: a column's key, after ``-`` in the opposite order. paused: no updates."""

    search: str = ""
    state: str = ""
    sort: str = "state"
    page: int = 1
    paused: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Self:
        """Whatever stands there; what is not understood is the default. ``by``: the heading that was pressed."""
        sort = given.get("sort", "")
        pressed = given.get("by", "")
        if pressed in BY_KEY:
            sort = f"-{pressed}" if sort == pressed else pressed
        page = given.get("page", "")
        return cls(
            search=given.get("q", "")[:200].strip(),
            state=state if (state := given.get("state", "")) in STATES else "",
            sort=sort if sort.removeprefix("-") in BY_KEY else "state",
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 6 and not pressed else 1,
            paused=given.get("updates") == "off",
        )

    def url(self, **changes: Any) -> str:
        other = replace(self, **changes)
        parts = {
            "q": other.search,
            "state": other.state,
            "sort": other.sort if other.sort != "state" else "",
            "page": str(other.page) if other.page > 1 else "",
            "updates": "off" if other.paused else "",
        }
        text = urlencode({key: value for key, value in parts.items() if value})
        return f"/?{text}" if text else "/"

    def direction(self, key: str) -> str | None:
        """Of a heading, as ARIA says it; None for one that the table is not sorted by."""
        if self.sort.removeprefix("-") != key:
            return None
        return "descending" if BY_KEY[key].falling != self.sort.startswith("-") else "ascending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Of all jobs. running, wanted, cost ($/h): sums over the jobs that report them, None where none does."""

    jobs: int
    troubled: int
    missed: int
    running: int | None
    wanted: int | None
    cost: float | None
    costing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    rows: tuple[Row, ...]
    found: int
    pages: int
    query: Query
    totals: Totals


def overview(jobs: Sequence[JobView], timelines: Timelines, query: Query) -> Overview:
    rows = [_row(job, timelines.find(job.ref)) for job in jobs if _matches(job, query)]
    ordered = _sorted(rows, query.sort)
    pages = max(-(-len(ordered) // PAGE_SIZE), 1)
    query = replace(query, page=min(max(query.page, 1), pages))
    start = (query.page - 1) * PAGE_SIZE
    shown = tuple(replace(row, spark=_spark(row.job, timelines)) for row in ordered[start : start + PAGE_SIZE])
    return Overview(rows=shown, found=len(rows), pages=pages, query=query, totals=totals(jobs))


def totals(jobs: Sequence[JobView]) -> Totals:
    costs = [job.cost for job in jobs if job.cost is not None]
    return Totals(
        jobs=len(jobs),
        troubled=sum(1 for job in jobs if job.severity <= 1),
        missed=sum(1 for job in jobs if any(c.type == "ObjectiveMet" for c in job.troubles)),
        running=_sum([job.running for job in jobs]),
        wanted=_sum([job.wanted for job in jobs]),
        cost=sum(costs) if costs else None,
        costing=len(costs),
    )


def _row(job: JobView, timeline: Timeline | None) -> Row:
    return Row(job, timeline.samples[-1] if timeline and timeline.samples else None, "")


def _spark(job: JobView, timelines: Timelines) -> str:
    return spark(timelines.find(job.ref))


def _matches(job: JobView, query: Query) -> bool:
    if query.state == "trouble" and job.severity > 1:
        return False
    if query.state == "running" and job.phase != "Running":
        return False
    if query.state == "rest" and job.phase == "Running":
        return False
    text = " ".join(filter(None, (f"{job.ref.namespace}/{job.ref.name}", job.phase, job.policy, job.tier)))
    return all(word in text.lower() for word in query.search.lower().split())


def _sorted(rows: Sequence[Row], sort: str) -> list[Row]:
    """Missing values come last in either order; equal ones by name."""
    column = BY_KEY[sort.removeprefix("-")]
    known = [row for row in rows if column.of(row) is not None]
    unknown = [row for row in rows if column.of(row) is None]
    return [*sorted(known, key=column.of, reverse=column.falling != sort.startswith("-")), *unknown]


def _pair(first: str | None, second: str | None) -> tuple[str, str] | None:
    return None if first is None or second is None else (first, second)


def _ratio(value: float | None, by: float | None) -> float | None:
    return value / by if value is not None and by else None


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
