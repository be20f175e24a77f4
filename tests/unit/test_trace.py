"""Recorded loads: timestamps, gaps, disorder, and a message for each thing that is wrong."""

from pathlib import Path

import numpy as np
import pytest

from sparkiot_sim.data import CITY_TRAFFIC, render
from sparkiot_sim.trace import TraceError, parse_trace, read_trace

SHARED = Path(__file__).parents[2].parent / "shared" / "traces"


def rows(*pairs: tuple[object, object]) -> str:
    return "timestamp,value\n" + "".join(f"{time},{value}\n" for time, value in pairs)


@pytest.mark.parametrize(
    ("first", "second", "start"),
    [
        ("2026-01-05 08:00:00", "2026-01-05 08:05:00", 1767600000),
        ("2026-01-05T08:00:00", "2026-01-05T08:05:00", 1767600000),
        ("2026-01-05T08:00:00Z", "2026-01-05T08:05:00Z", 1767600000),
        ("2026-01-05T09:00:00+01:00", "2026-01-05T09:05:00.000+01:00", 1767600000),
        ("2026/01/05 08:00", "2026/01/05 08:05", 1767600000),
        (1767600000, 1767600300, 1767600000),
        ("1767600000.0", "1767600300.0", 1767600000),
        (1767600000000, 1767600300000, 1767600000),
        (0, 300, 0),
    ],
)
def test_the_usual_timestamps(first: object, second: object, start: float) -> None:
    trace = parse_trace(rows((first, 1), (second, 2)), name="t.csv")
    assert trace.workload.start == start
    assert trace.workload.times[1] - start == 300
    assert trace.report.warnings() == ()


def test_short_gaps_are_interpolated_and_long_ones_held() -> None:
    trace = parse_trace(rows((0, 10), (10, 10), (20, 10), (40, 30), (50, 30), (150, 0), (160, 0)), name="t.csv")
    report = trace.report
    assert (report.gaps, report.largest_gap_s, report.interpolated, report.held_s) == (2, 100, 1, 90)
    assert trace.workload.rate_at(30) == 20
    assert trace.workload.rate_at(149) == 30
    assert trace.workload.end == 170
    assert "2 gaps, the largest 100 s" in report.warnings()[0]


def test_an_empty_cell_is_missing_and_not_zero() -> None:
    trace = parse_trace(rows((0, 10), (10, 10), (20, ""), (30, 10), (40, 10)), name="t.csv")
    assert trace.report.missing_values == 1
    assert trace.workload.rate_at(20) == 10


def test_disorder_and_duplicates_are_repaired_and_reported() -> None:
    trace = parse_trace(rows((0, 1), (20, 3), (10, 2), (20, 4), (30, 5)), name="t.csv")
    assert trace.workload.times.tolist() == [0, 10, 20, 30]
    assert trace.workload.rates.tolist() == [1, 2, 4, 5]
    assert (trace.report.unordered, trace.report.duplicates) == (1, 1)
    assert [w.split(" ", 1)[0] for w in trace.report.warnings()] == ["1", "1"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", None, "empty"),
        ("timestamp,value\n", None, "0 usable rows"),
        (rows((0, 1)), None, "1 usable rows"),
        (rows((0, 1), (0, 2)), None, "1 usable rows"),
        (rows((0, 0), (1, 0)), None, "every value is zero"),
        (rows((0, 1), (1, "nan")), 3, "'nan' is not finite"),
        (rows((0, 1), (1, "inf")), 3, "'inf' is not finite"),
        (rows((0, 1), (1, -5)), 3, "-5 is negative"),
        (rows((0, 1), (1, "many")), 3, "'many' is not a number"),
        (rows((0, 1), ("nan", 1)), 3, "'nan' is not a number"),
        (rows((0, 1), ("2026-01-05", 1)), 3, "not a number, as the first row's is"),
        (rows(("yesterday", 1), (1, 1)), 2, "not a date and time such as"),
        ("time,value\n0,1\n", 1, "no column 'timestamp'; the header has 'time', 'value'"),
        ("timestamp,value\n0,1\n1\n", 3, "1 columns"),
    ],
)
def test_what_cannot_be_used_has_its_message(text: str, line: int | None, reason: str) -> None:
    with pytest.raises(TraceError) as caught:
        parse_trace(text, name="load.csv")
    assert caught.value.line == line
    assert reason in caught.value.reason
    assert str(caught.value).startswith("load.csv, line" if line else "load.csv:")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "absent.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="not UTF-8"):
        read_trace(binary)


def test_other_columns_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "load.csv"
    file.write_text("\ufeffwhen, sensor ,rate\n0,a,1\n60,a,2\n", encoding="utf-8")
    trace = read_trace(file, time_column="when", value_column="rate")
    assert trace.workload.name == "load"
    assert trace.workload.rates.tolist() == [1, 2]


def test_the_shipped_trace_is_what_its_command_makes() -> None:
    assert CITY_TRAFFIC.read_text(encoding="utf-8") == render()
    trace = read_trace(CITY_TRAFFIC)
    assert trace.report.warnings() == ()
    assert trace.workload.duration_s == 86400


@pytest.mark.parametrize("name", ["Twitter_volume_AAPL", "elb_request_count_8c0756", "occupancy_t4013"])
def test_real_series(name: str) -> None:
    path = SHARED / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"real series {name}.csv is not beside the checkout")
    trace = read_trace(path)
    assert trace.report.step_s == 300
    assert np.diff(trace.workload.times).min() > 0
    assert trace.workload.scaled(500).mean_rate == pytest.approx(500)
