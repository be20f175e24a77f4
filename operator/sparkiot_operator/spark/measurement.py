"""From two reports of a driver to one Measurement: differences of what only grows, and the driver's clock to ours."""

from collections.abc import Iterable, Sequence

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.job import Prices
from sparkiot_policies.measurement import Batch, Measurement

from .report import BatchReport, DriverReport, QueryReport, ShuffleReport

BYTES_PER_MB = 1e6
BYTES_PER_MIB = 1 << 20
BYTES_PER_GIB = 1 << 30
SECONDS_PER_HOUR = 3600.0


def measure(
    previous: DriverReport | None,
    report: DriverReport,
    *,
    now: float,
    prices: Prices,
    desired: Allocation,
    unschedulable: int,
    quota_executors: int | None = None,
) -> Measurement:
    """One look at a live job.

    previous: the last report before this one, None at the first look. now: the operator's clock as the report came,
    epoch seconds. desired: the allocation that the job shall have; executors are billed by its memory until the driver
    applied one. unschedulable: executor pods for which the cluster has no room. quota_executors: how many the
    namespace's quotas have room for; None where none bounds them.

    The measurement is as old as what the driver last read from Spark: one whose runtime hangs must not look fresh.
    Another incarnation begins its sums anew: what is a rate is None then, and what is counted counts from its start.
    """
    same = previous is not None and previous.incarnation == report.incarnation
    since = previous if same else None
    active = [query for query in report.queries if query.active]
    executors, applied = report.executors, report.applied.allocation if report.applied else None
    return Measurement(
        time=now - _age_s(report),
        rate=_rate(since, report),
        backlog=_backlog(active),
        volume_mb=_per_batch(since, report, "input_bytes", zero_is_known=False),
        shuffle_mb=_shuffle_mb(since, report),
        cpu=_cpu(since, report),
        memory=report.memory_percent,
        state_mib=_state_mib(active),
        running=executors.running,
        pending=executors.pending,
        unschedulable=unschedulable,
        quota_executors=quota_executors,
        leaving=max(executors.ending or 0, _counted(previous, report, "executors_noticed")),
        temperature=_temperature(report),
        cost_per_hour=_cost_per_hour(since, report, prices, applied or desired),
        trigger_interval_s=_slowest(active),
        batches=_batches(since, report, shift=now - report.time),
        applied=applied,
        startup_s=report.startup_seconds,
        restart_cost_s=report.restart_cost_seconds,
        uptime_s=_uptime_s(report),
        lost_executors=_counted(previous, report, "executors_lost"),
        out_of_memory=_counted(previous, report, "executors_out_of_memory"),
    )


def _state_mib(queries: Sequence[QueryReport]) -> float | None:
    """MiB of all queries' state; None when none tells of any."""
    known = [query.state_bytes for query in queries if query.state_bytes is not None]
    return sum(known) / BYTES_PER_MIB if known else None


def _age_s(report: DriverReport) -> float:
    """Seconds since Spark's figures were read, by the driver's clock alone; none where it does not tell."""
    return 0.0 if report.figures_at is None else max(report.time - report.figures_at, 0.0)


def _uptime_s(report: DriverReport) -> float | None:
    """Seconds from Spark's start to when its figures were read; None where the driver does not tell."""
    return None if report.started_at is None else max(report.time - _age_s(report) - report.started_at, 0.0)


def _rate(since: DriverReport | None, report: DriverReport) -> float | None:
    """Rows a second that arrived between two looks; None while nobody can tell.

    What arrived was processed or waits. A backlog that is not of the report's own time, such as Kafka's, counts up to
    its own: then, and without any backlog, nothing is known before the next batch.
    """
    rows = _grown(since, report, "rows")
    if since is None or rows is None or report.time <= since.time:
        return None
    before, after = _backlog(_active(since)), _backlog(_active(report))
    if not rows and after == before and not _grown(since, report, "arrived_until"):
        # A query that hangs in its batch shows the same figures as one without input.
        return 0.0 if _idle(since) and _idle(report) else None
    if before is None or after is None:
        elapsed = _grown(since, report, "arrived_until")
        return rows / elapsed if elapsed else None
    elapsed = _backlog_time(report) - _backlog_time(since)
    return max(rows + after - before, 0.0) / elapsed if elapsed > 0 else None


def _idle(report: DriverReport) -> bool:
    """Whether every query has taken all that its sources had."""
    active = _active(report)
    return bool(active) and all(q.batch_running_seconds is None and not q.backlog_rows for q in active)


def _active(report: DriverReport) -> list[QueryReport]:
    return [query for query in report.queries if query.active]


def _backlog(active: Iterable[QueryReport]) -> float | None:
    """Rows that wait for all active queries; None when one of them cannot tell, or there is none."""
    waiting = [query.backlog_rows for query in active]
    known = [rows for rows in waiting if rows is not None]
    return sum(known) if known and len(known) == len(waiting) else None


def _backlog_time(report: DriverReport) -> float:
    times = [query.backlog_time for query in _active(report) if query.backlog_time is not None]
    return min([report.time, *times])


def _per_batch(since: DriverReport | None, report: DriverReport, total: str, *, zero_is_known: bool) -> float | None:
    """MB of a batch: the mean of those since the last look, or of all where none completed since.

    zero_is_known: whether no bytes mean that there were none; some sources never tell what they read.
    """
    for first in (since, None):
        size, batches = _grown(first, report, total, whole=True), _grown(first, report, "batches", whole=True)
        if size is not None and batches:
            return size / batches / BYTES_PER_MB if size or zero_is_known else None
    return None


def _shuffle_mb(since: DriverReport | None, report: DriverReport) -> float | None:
    """MB of a batch: what Spark's own shuffle wrote, and the rows that went through the tiered one, uncompressed."""
    own = _per_batch(since, report, "shuffle_write_bytes", zero_is_known=True)
    if report.shuffle is None:
        return own
    tiered = None
    for first in (since.shuffle if since is not None else None, None):
        raw, batches = (_more(first, report.shuffle, name) for name in ("raw_bytes", "batches"))
        if raw is not None and batches:
            tiered = raw / batches / BYTES_PER_MB
            break
    return own if tiered is None else tiered + (own or 0.0)


def _more(since: ShuffleReport | None, shuffle: ShuffleReport, total: str) -> float | None:
    """How much a sum of the tiered shuffle grew; without an earlier report, the sum since the driver's start."""
    after: float | None = getattr(shuffle.totals, total)
    before: float | None = getattr(since.totals, total) if since is not None else 0.0
    return None if after is None or before is None else max(after - before, 0.0)


def _temperature(report: DriverReport) -> float | None:
    """Of the tiered shuffle where the job uses it, as it sees each read; else what Spark's sums tell."""
    tiered = report.shuffle.temperature if report.shuffle is not None else None
    return _reread(report) if tiered is None else tiered


def _reread(report: DriverReport) -> float | None:
    """Share of the shuffle blocks that are read more often than once, as retries and replays do; None before a batch.

    Every block is read once by the stage after it. Where nothing is shuffled, nothing is read again.
    """
    written, read = report.totals.shuffle_write_bytes, report.totals.shuffle_read_bytes
    if not report.totals.batches or written is None or read is None:
        return None
    return min(max(read / written - 1, 0.0), 1.0) if written else 0.0


def _cpu(since: DriverReport | None, report: DriverReport) -> float | None:
    """Percent of the executors' cores that tasks kept busy; a task counts when it ends, so a look may see too many."""
    busy = _grown(since, report, "task_seconds")
    if since is None or busy is None or report.executors.cores is None:
        return None
    counts = [n for n in (since.executors.running, report.executors.running) if n is not None]
    elapsed = report.time - since.time
    capacity = sum(counts) / len(counts) * report.executors.cores * elapsed if counts else 0.0
    return min(100 * busy / capacity, 100.0) if capacity > 0 else None


def _cost_per_hour(
    since: DriverReport | None, report: DriverReport, prices: Prices, allocation: Allocation
) -> float | None:
    """Executors from their request on, and the shuffle blocks written since the last look."""
    running, pending = report.executors.running, report.executors.pending
    if running is None:
        return None
    compute = prices.compute_per_hour(running + (pending or 0), allocation.memory_mib)
    written = _grown(since, report, "shuffle_write_bytes")
    if written is not None and since is not None and report.shuffle is not None:
        written += _more(since.shuffle, report.shuffle, "stored_bytes") or 0.0
    elapsed = report.time - since.time if since else 0.0
    if written is None or elapsed <= 0:
        return compute
    per_gib = prices.shuffle_gib.get(allocation.tier, 0.0)
    return compute + per_gib * written / BYTES_PER_GIB * SECONDS_PER_HOUR / elapsed


def _slowest(active: Iterable[QueryReport]) -> float | None:
    return max((q.trigger_interval_seconds for q in active if q.trigger_interval_seconds is not None), default=None)


def _batches(since: DriverReport | None, report: DriverReport, *, shift: float) -> tuple[Batch, ...]:
    """Batches that the last look did not have, in their order, at the operator's time."""
    seen = since.last_seq if since else None
    new: dict[int, BatchReport] = {b.seq: b for b in report.batches if seen is None or b.seq > seen}
    return tuple(
        Batch(
            time=batch.end + shift,
            rows=batch.rows,
            duration_s=batch.duration_seconds,
            latency_ms=batch.latency_seconds * 1000,
        )
        for _, batch in sorted(new.items())
    )


def _counted(previous: DriverReport | None, report: DriverReport, total: str) -> int:
    """Events since the last look. At the first look none: an operator before this one has seen them."""
    if previous is None:
        return 0
    since = previous if previous.incarnation == report.incarnation else None
    return int(_grown(since, report, total, whole=True) or 0)


def _grown(since: DriverReport | None, report: DriverReport, total: str, *, whole: bool = False) -> float | None:
    """How much a sum grew since a look, never negative. whole: without one, the sum since the driver's start."""
    after: float | None = getattr(report.totals, total)
    if after is None or (since is None and not whole):
        return None
    before: float | None = getattr(since.totals, total) if since else 0.0
    return max(after - before, 0.0) if before is not None else None
