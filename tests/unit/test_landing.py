"""The landing folder's writer and the sink's checker: what they count must be what is there."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_operator.landing import LandingError, Rate, check_sink, steady, step, write_landing


class VirtualTime(threading.Event):
    """A stop event whose waits are the clock. stalls: extra seconds of each wait. stop_after: waits until it is set."""

    def __init__(self, *, stalls: list[float] | None = None, stop_after: int | None = None) -> None:
        super().__init__()
        self.now, self.waits, self.stalls, self.stop_after = 100.0, 0, stalls or [], stop_after

    def wait(self, timeout: float | None = None) -> bool:
        self.now += (timeout or 0.0) + (self.stalls[self.waits] if self.waits < len(self.stalls) else 0.0)
        self.waits += 1
        if self.waits == self.stop_after:
            self.set()
        return self.is_set()

    def clock(self) -> float:
        return self.now


def written(folder: Path, rate: Rate, seconds: float, time: VirtualTime, *, first_id: int = 0) -> int:
    return write_landing(folder, rate, seconds, stop=time, clock=time.clock, first_id=first_id)


def landed_ids(folder: Path) -> list[int]:
    """Ids in the order in which their files are named."""
    files = sorted(folder.iterdir())
    return [json.loads(line)["id"] for file in files for line in file.read_text().splitlines()]


def write_rows(file: Path, ids: range | list[int]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({"id": i, "district": "d"}) + "\n" for i in ids))
    return file


def write_log(sink: Path, entry: str, files: list[Path]) -> None:
    log = sink / "_spark_metadata"
    log.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"path": file.as_uri(), "size": 1, "action": "add"}) for file in files]
    (log / entry).write_text("\n".join(["v1", *lines]))


def test_rows_follow_the_rate(tmp_path: Path) -> None:
    assert written(tmp_path, step(10, 4, start=2, length=3), 8, VirtualTime()) == 10 * 2 + 40 * 3 + 10 * 3
    per_file = [len(file.read_text().splitlines()) for file in sorted(tmp_path.iterdir())]
    assert per_file == [5] * 4 + [20] * 6 + [5] * 6


def test_a_row_is_what_the_example_jobs_read(tmp_path: Path) -> None:
    written(tmp_path, steady(4), 1, VirtualTime())
    row = json.loads((tmp_path / "rows-000000000000.json").read_text().splitlines()[1])
    assert row.keys() == {"id", "time", "device", "value"}
    assert (row["id"], row["device"], row["value"]) == (1, "device-1", 37.5)
    assert row["time"].endswith("+00:00")


def test_a_fraction_of_a_row_is_carried_on(tmp_path: Path) -> None:
    assert written(tmp_path, steady(0.5), 9, VirtualTime()) == 4
    assert landed_ids(tmp_path) == [0, 1, 2, 3]


def test_a_folder_is_continued_above_its_ids(tmp_path: Path) -> None:
    first = written(tmp_path, steady(10), 2, VirtualTime())
    written(tmp_path, steady(10), 2, VirtualTime(), first_id=first)
    assert landed_ids(tmp_path) == list(range(40))
    with pytest.raises(LandingError, match="first_id above all ids"):
        written(tmp_path, steady(10), 2, VirtualTime())


def test_a_thread_is_stopped_by_its_event(tmp_path: Path) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor() as pool:
        count = pool.submit(write_landing, tmp_path, steady(1000), 3600, interval=0.01, stop=stop)
        while not any(tmp_path.glob("rows-*")):
            assert not count.done()
        stop.set()
        rows = count.result()  # the thread may still write a file after it was told to stop
    assert landed_ids(tmp_path) == list(range(rows))


@given(
    rates=st.lists(st.floats(0, 300), min_size=1, max_size=8),
    stalls=st.lists(st.floats(0, 3), max_size=10),
    stop_after=st.none() | st.integers(1, 12),
    seconds=st.floats(0.1, 6),
    first_id=st.integers(0, 10**9),
)
def test_no_id_is_lost_or_doubled(
    rates: list[float], stalls: list[float], stop_after: int | None, seconds: float, first_id: int
) -> None:
    time = VirtualTime(stalls=stalls, stop_after=stop_after)
    with TemporaryDirectory() as folder:
        count = written(Path(folder), lambda t: rates[int(t) % len(rates)], seconds, time, first_id=first_id)
        assert landed_ids(Path(folder)) == list(range(first_id, first_id + count))
        assert count <= max(rates) * seconds + 1e-6


def test_batch_folders_count_when_completed(tmp_path: Path) -> None:
    for batch, ids in enumerate([range(5), range(5, 9)]):
        write_rows(tmp_path / f"batch={batch}" / "part-0.json", ids)
        (tmp_path / f"batch={batch}" / "_SUCCESS").touch()
    write_rows(tmp_path / "batch=2" / "part-0.json", range(9, 12))
    check = check_sink(tmp_path, range(12))
    assert (check.expected, check.found, check.missing) == (12, 9, (9, 10, 11))
    assert not check.exactly_once
    (tmp_path / "batch=2" / "_SUCCESS").touch()
    assert check_sink(tmp_path, range(12)).exactly_once


def test_the_file_sinks_log_says_which_files_count(tmp_path: Path) -> None:
    parts = [write_rows(tmp_path / f"part-{n} of Ä.json", range(n * 4, n * 4 + 4)) for n in range(4)]
    write_rows(tmp_path / "part-killed.json", range(4, 8))
    for n, part in enumerate(parts):
        write_log(tmp_path, str(n), [part])
    (tmp_path / "_spark_metadata" / ".1.crc").write_bytes(b"crc")
    assert check_sink(tmp_path, range(16)).exactly_once


def test_a_compact_entry_replaces_those_before_it(tmp_path: Path) -> None:
    parts = [write_rows(tmp_path / f"part-{n}.json", [n]) for n in range(12)]
    for n in (7, 8, 10, 11):
        write_log(tmp_path, str(n), [parts[n]])
    write_log(tmp_path, "9.compact", parts[:10])
    assert check_sink(tmp_path, range(12)).exactly_once


def test_each_fault_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "batch=0" / "part-0.json", [0, 1, 1, 3, 99])
    (tmp_path / "batch=0" / "_SUCCESS").touch()
    check = check_sink(tmp_path, range(5))
    assert (check.missing, check.duplicated, check.unknown) == ((2, 4), (1,), (99,))
    assert str(check) == "5 rows of 5: 2 missing (first: 2), 1 duplicated (first: 1), 1 unknown (first: 99)"


def test_a_sink_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert check_sink(tmp_path / "none", [7]).missing == (7,)


def test_a_damaged_sink_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    write_log(tmp_path, "0", [tmp_path / "part-0.json"])
    with pytest.raises(LandingError, match=r"part-0\.json, which is not there"):
        check_sink(tmp_path, [1])
    (tmp_path / "part-0.json").write_text('{"id": 1}\n{"i')
    with pytest.raises(LandingError, match=r"part-0\.json:2: no row"):
        check_sink(tmp_path, [1])
    (tmp_path / "_spark_metadata" / "1").write_text("v1\n{")
    with pytest.raises(LandingError, match="1: damaged"):
        check_sink(tmp_path, [1])
    (tmp_path / "_spark_metadata" / "1").write_text("v2\n")
    with pytest.raises(LandingError, match="log version 'v2'"):
        check_sink(tmp_path, [1])
