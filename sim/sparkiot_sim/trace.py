"""Recorded loads: a CSV of timestamps and values, read with its gaps and its disorder reported.

Timestamps: ISO 8601 with or without T and zone, ``YYYY-mm-dd HH:MM:SS`` (or with slashes), or a number: seconds since
1970 or since the recording began, milliseconds where a number is too large for seconds. The first row decides between
text and number. Times without a zone are UTC.

Values are rates in any unit: scale the workload to the messages/s that are wanted.
"""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from .workload import Array, Workload

MILLISECONDS_FROM = 1e11
"""A number from here on is milliseconds: as seconds it would lie beyond the year 5000."""
GAP_STEPS = 1.5
"""A gap is a distance longer than so many median steps."""
INTERPOLATED_STEPS = 6
"""Gaps up to so many median steps are filled along a line; longer ones hold the last value."""


class TraceError(ValueError):
    """A trace cannot be used. ``line`` is None where the reason concerns the whole file."""

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        self.file, self.line, self.reason = file, line, reason
        super().__init__(f"{file}{'' if line is None else f', line {line}'}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceReport:
    """What was found and done while reading.

    rows: with a value. step_s: median step, seconds. missing_values: rows with an empty value, treated as gaps.
    duplicates: rows whose time occurred before; the last one counts. unordered: rows earlier than the one before
    them; they were sorted in. gaps, largest_gap_s: distances over GAP_STEPS steps. interpolated: values filled in.
    held_s: seconds over which the last value was held because the gap was too long to interpolate.
    """

    rows: int
    step_s: float
    missing_values: int
    duplicates: int
    unordered: int
    gaps: int
    largest_gap_s: float
    interpolated: int
    held_s: float

    def warnings(self) -> tuple[str, ...]:
        """One sentence for each irregularity; empty for a clean trace."""
        gaps = (
            f"{self.gaps} gaps, the largest {self.largest_gap_s:g} s (median step {self.step_s:g} s): "
            f"{self.interpolated} values interpolated, the last value held for {self.held_s:g} s"
        )
        found = (
            (self.missing_values, f"{self.missing_values} rows have no value and count as gaps"),
            (self.duplicates, f"{self.duplicates} timestamps occur more than once; the last row of each counts"),
            (self.unordered, f"{self.unordered} rows are out of order; they were sorted by time"),
            (self.gaps, gaps),
        )
        return tuple(text for count, text in found if count)


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded load and how clean the recording was."""

    workload: Workload
    report: TraceReport


def read_trace(path: Path, *, time_column: str = "timestamp", value_column: str = "value") -> Trace:
    """Read a CSV file with a header. Raises TraceError: absent, unreadable, or as ``parse_trace``."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TraceError(str(path), None, f"cannot be read: {reason}") from error
    return parse_trace(text, name=str(path), time_column=time_column, value_column=value_column)


def parse_trace(text: str, *, name: str, time_column: str = "timestamp", value_column: str = "value") -> Trace:
    """Parse CSV text; ``name`` is what messages call it, and its stem names the workload.

    Raises TraceError: no such columns, fewer than two distinct times, a time that cannot be read, a value that is
    not a number, NaN, infinite or negative, or only zeros.
    """
    times: list[float] = []
    values: list[float] = []
    missing = 0
    parse_time = None
    for line, raw_time, raw_value in _rows(text, name, time_column, value_column):
        parse_time = parse_time or (_number if _is_number(raw_time) else _date)
        try:
            time = parse_time(raw_time)
        except ValueError as error:
            raise TraceError(name, line, f"{time_column} {raw_time!r} is not {error}") from error
        if not raw_value:
            missing += 1
            continue
        times.append(time)
        values.append(_value(raw_value, name, line, value_column))
    if len(set(times)) < 2:
        raise TraceError(name, None, f"{len(set(times))} usable rows; a trace needs at least two distinct times")
    if not any(values):
        raise TraceError(name, None, "every value is zero; there is no load to replay")
    return _regular(np.array(times), np.array(values), name=name, missing=missing)


def _rows(text: str, name: str, time_column: str, value_column: str) -> Iterator[tuple[int, str, str]]:
    """Line number, time and value of each row that is not blank."""
    reader = csv.reader(io.StringIO(text))
    header = [cell.strip() for cell in next(reader, [])]
    if not any(header):
        raise TraceError(name, None, f"empty; expected a header with {time_column!r} and {value_column!r}")
    absent = [column for column in (time_column, value_column) if column not in header]
    if absent:
        raise TraceError(name, 1, f"no column {absent[0]!r}; the header has {', '.join(map(repr, header))}")
    at, of = header.index(time_column), header.index(value_column)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) <= max(at, of):
                raise TraceError(name, reader.line_num, f"{len(row)} columns; the header has {len(header)}")
            yield reader.line_num, row[at].strip(), row[of].strip()
    except csv.Error as error:
        raise TraceError(name, reader.line_num, f"not CSV: {error}") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> float:
    if not _is_number(text) or not math.isfinite(float(text)):
        raise ValueError("a number, as the first row's is")
    seconds = float(text)
    return seconds / 1000 if seconds >= MILLISECONDS_FROM else seconds


def _date(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError as error:
        raise ValueError("a date and time such as 2026-01-05 08:30:00 or 2026-01-05T08:30:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _value(text: str, name: str, line: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise TraceError(name, line, f"{column} {text!r} is not a number") from error
    if not math.isfinite(value):
        raise TraceError(
            name, line, f"{column} {text!r} is not finite; leave the cell empty where nothing was measured"
        )
    if value < 0:
        raise TraceError(name, line, f"{column} {text} is negative; a rate is at least 0")
    return value


def _regular(times: Array, values: Array, *, name: str, missing: int) -> Trace:
    """Sort, drop duplicates, fill gaps."""
    unordered = int((np.diff(times) < 0).sum())
    # Stable order: of rows with equal times the last in the file stays last, and it is the one to keep.
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    last_of_time = np.append(np.diff(times) > 0, True)
    duplicates = int((~last_of_time).sum())
    times, values = times[last_of_time], values[last_of_time]
    steps = np.diff(times)
    step = float(np.median(steps))
    gaps = steps[steps > GAP_STEPS * step]
    short = (steps > GAP_STEPS * step) & (steps <= (INTERPOLATED_STEPS + 0.5) * step)
    filled = [np.arange(times[i] + step, times[i + 1] - step / 2, step) for i in np.flatnonzero(short)]
    extra = np.concatenate(filled) if filled else np.empty(0)
    all_times = np.sort(np.concatenate((times, extra)))
    report = TraceReport(
        rows=int(order.size),
        step_s=step,
        missing_values=missing,
        duplicates=duplicates,
        unordered=unordered,
        gaps=int(gaps.size),
        largest_gap_s=float(gaps.max(initial=0.0)),
        interpolated=int(extra.size),
        held_s=float((gaps.sum() - steps[short].sum()) - step * (gaps.size - short.sum())),
    )
    rates = np.interp(all_times, times, values)
    workload = Workload(name=Path(name).stem, times=all_times, rates=rates, end=float(all_times[-1]) + step)
    return Trace(workload, report)
