"""What an operator did between two looks at its ``/metrics``. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

MEGABYTE = 1e6
READS = frozenset({"GET", "WATCH"})
LATENESS = "sparkiot_cycle_lateness_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Look:
    """One scrape. at: seconds on a clock that does not jump."""

    at: float
    samples: tuple[Sample, ...]

    @classmethod
    def of(cls, text: str, *, at: float) -> "Look":
        """From Prometheus' text format."""
        return cls(at, tuple(sample for family in text_string_to_metric_families(text) for sample in family.samples))

    def total(self, name: str, keep: Callable[[Sample], bool] = lambda _: True) -> float | None:
        """The sum over the series of a metric; None where it has none."""
        values = [sample.value for sample in self.samples if sample.name == name and keep(sample)]
        return sum(values) if values else None

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums over the series of a metric by one of its labels."""
        sums: dict[str, float] = {}
        for sample in self.samples:
            if sample.name == name:
                sums[sample.labels[label]] = sums.get(sample.labels[label], 0.0) + sample.value
        return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One row of the curve; None where the operator does not tell.

    jobs: simulated ones, that decide every ``interval_s`` seconds. cores: processors in use. rss_mb: resident memory at
    the end, 1e6 bytes. decisions, status_writes, api_writes (by HTTP method): a second. skipped, errors: cycles.
    lateness_p50, lateness_p99: real time between a cycle's due time and its start, as a share of the interval; the
    upper bound of the histogram's bucket. load: of the machine that measured, over its last minute, at the end.
    """

    jobs: int
    interval_s: float
    seconds: float
    cores: float | None
    rss_mb: float | None
    decisions: float | None
    skipped: float
    errors: float
    lateness_p50: float | None
    lateness_p99: float | None
    status_writes: float | None
    api_writes: dict[str, float]
    load: float

    @property
    def decisions_wanted(self) -> float:
        """How many a second there are when none is late."""
        return self.jobs / self.interval_s


def figures(before: Look, after: Look, *, jobs: int, interval_s: float, load: float) -> Figures:
    """What lies between two looks."""
    seconds = after.at - before.at

    def grown(name: str) -> float | None:
        last = after.total(name)
        return None if last is None else last - (before.total(name) or 0.0)

    def rate(name: str) -> float | None:
        growth = grown(name)
        return None if growth is None else growth / seconds

    rss = after.total("process_resident_memory_bytes")
    calls, called = after.by("sparkiot_api_requests_total", "verb"), before.by("sparkiot_api_requests_total", "verb")
    late = {bound: _lateness(before, after, bound) for bound in (0.5, 0.99)}
    return Figures(
        jobs=jobs,
        interval_s=interval_s,
        seconds=seconds,
        cores=rate("process_cpu_seconds_total"),
        rss_mb=None if rss is None else rss / MEGABYTE,
        decisions=rate("sparkiot_cycle_duration_seconds_count"),
        skipped=grown("sparkiot_job_cycles_skipped_total") or 0.0,
        errors=grown("sparkiot_job_cycle_errors_total") or 0.0,
        lateness_p50=None if late[0.5] is None else late[0.5] / interval_s,
        lateness_p99=None if late[0.99] is None else late[0.99] / interval_s,
        status_writes=rate("sparkiot_status_writes_total"),
        api_writes={
            verb: (count - called.get(verb, 0.0)) / seconds
            for verb, count in sorted(calls.items())
            if verb not in READS
        },
        load=load,
    )


def _lateness(before: Look, after: Look, share: float) -> float | None:
    """Seconds: the upper bound of the bucket that holds this share of the cycles since the first look."""
    was, now = before.by(LATENESS, "le"), after.by(LATENESS, "le")
    counts = sorted((float(bound), count - was.get(bound, 0.0)) for bound, count in now.items())
    if not counts or counts[-1][1] <= 0:
        return None
    return next(bound for bound, count in counts if count >= share * counts[-1][1])
