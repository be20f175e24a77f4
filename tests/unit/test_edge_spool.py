"""Messages on disk between broker and sink, and the folder that they land in."""

import errno
import os
from pathlib import Path

import pytest

from sparkiot_edge.forwarding.segment import Segment
from sparkiot_edge.forwarding.sinks.base import SinkError
from sparkiot_edge.forwarding.sinks.landing import LandingFolder
from sparkiot_edge.forwarding.spool import Spool, SpoolError, SpoolFullError

HOUR = 1_767_571_200.0
LINE = b'{"id":"1"}\n'


def open_spool(folder: Path, *, max_bytes: int = 1000, segment_bytes: int = 500, roll_s: float = 1.0) -> Spool:
    return Spool(folder, source="g1", max_bytes=max_bytes, segment_bytes=segment_bytes, roll_s=roll_s)


def left(spool: Spool) -> list[bytes]:
    """Everything that waits, in order; and it is done."""
    lines = []
    while segment := spool.take(0):
        lines += segment.lines()
        spool.done(segment)
    return lines


def numbered(*numbers: int) -> list[bytes]:
    return [b'{"id":"%d"}\n' % number for number in numbers]


def test_files_are_handed_over_by_age_by_size_and_at_the_hour(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, segment_bytes=5 * len(LINE))
    spool.append([LINE], now=HOUR + 10)
    spool.roll(now=HOUR + 10.9)
    assert spool.take(0) is None
    spool.roll(now=HOUR + 11)
    first = spool.take(0)
    assert first
    assert spool.take(0) == first
    spool.done(first)
    spool.append([LINE] * 5, now=HOUR + 12)
    full = spool.take(0)
    assert full
    assert full.partition == "date=2026-01-05/hour=00"
    spool.done(full)
    spool.append([LINE], now=HOUR + 3599.9)
    spool.append([LINE], now=HOUR + 3600)
    before = spool.take(0)
    assert before
    assert before.partition == "date=2026-01-05/hour=00"
    assert (spool.messages, spool.size) == (2, 2 * len(LINE))


def test_while_the_sink_has_files_to_do_the_next_one_grows(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    for second in range(10):
        spool.append(numbered(second), now=HOUR + 2 * second)
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    spool.close()
    with pytest.raises(SpoolError, match="is closed"):
        spool.append(numbered(10), now=HOUR + 20)
    assert left(spool) == numbered(*range(10))
    assert (spool.messages, spool.size) == (0, 0)
    assert not list(tmp_path.glob("*.jsonl"))


def test_what_was_left_by_a_killed_process_comes_first_and_what_it_never_synced_not_at_all(tmp_path: Path) -> None:
    killed = open_spool(tmp_path)
    killed.append(numbered(1), now=HOUR)
    killed.append(numbered(2), now=HOUR + 5)
    killed.release()
    newest = sorted(tmp_path.glob("*.jsonl"))[-1]
    with newest.open("ab") as file:
        file.write(b"\0\0\0\n" + b'{"id":"3')
    again = open_spool(tmp_path)
    assert (again.messages, again.size) == (2, 2 * len(LINE))
    # The clock was set back, and order is kept.
    again.append(numbered(4), now=HOUR - 100)
    again.close()
    assert left(again) == numbered(1, 2, 4)


def test_a_file_with_nothing_synced_goes(tmp_path: Path) -> None:
    (tmp_path / "g1-1767571200000-00000000.jsonl").write_bytes(b'{"id"')
    (tmp_path / "notes.jsonl").write_bytes(b"not ours")
    spool = open_spool(tmp_path)
    assert spool.take(0) is None
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["notes.jsonl"]


def test_the_bound_holds_and_room_comes_back(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, max_bytes=5 * len(LINE))
    spool.append([LINE] * 4, now=HOUR)
    with pytest.raises(SpoolFullError, match="is the sink away"):
        spool.append([LINE] * 2, now=HOUR)
    spool.append([LINE], now=HOUR)
    spool.roll(now=HOUR + 1)
    assert len(left(spool)) == 5
    spool.append([LINE] * 2, now=HOUR + 2)


def test_a_folder_has_one_gateway(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    with pytest.raises(SpoolError, match="belongs to a gateway that runs"):
        open_spool(tmp_path)
    spool.release()
    open_spool(tmp_path).release()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="cannot be used"):
        open_spool(tmp_path / "file")


def test_after_a_sync_that_failed_it_goes_on_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path)
    spool.append(numbered(1), now=HOUR)
    with monkeypatch.context() as broken:
        broken.setattr("sparkiot_edge.forwarding.spool.SYNC", _no_space)
        with pytest.raises(SpoolError, match="No space left"):
            spool.append(numbered(2), now=HOUR)
        with pytest.raises(SpoolError, match="No space left"):
            spool.append(numbered(2), now=HOUR)
    assert (spool.messages, spool.size) == (1, len(LINE))
    spool.append(numbered(3), now=HOUR)
    spool.close()
    assert left(spool) == numbered(1, 3)


def _no_space(_handle: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    found = Segment.named(tmp_path, source="g1", milliseconds=int(HOUR * 1000) + 3_599_999, run="9f3c01aa")
    found.path.write_bytes(LINE * 2)
    return found


def test_a_segment_lands_in_the_folder_of_its_hour(tmp_path: Path, segment: Segment) -> None:
    LandingFolder(tmp_path / "landing").deliver(segment)
    target = tmp_path / "landing/date=2026-01-05/hour=00" / segment.path.name
    assert target.read_bytes() == LINE * 2
    assert not segment.path.exists()


def test_a_landing_folder_on_another_file_system_sees_whole_files_only(
    tmp_path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def across(path: Path, target: Path) -> Path:
        if path == segment.path:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        assert path.name.startswith(".")
        assert path.read_bytes() == LINE * 2
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", across)
    sink = LandingFolder(tmp_path / "landing")
    sink.deliver(segment)
    sink.deliver(segment)  # after a crash before the segment was removed
    (found,) = (tmp_path / "landing/date=2026-01-05/hour=00").iterdir()
    assert found.name == segment.path.name


def test_a_segment_that_was_moved_before_something_failed_is_delivered(
    tmp_path: Path, segment: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = LandingFolder(tmp_path / "landing")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", _no_space)
        with pytest.raises(SinkError, match="No space left"):
            sink.deliver(segment)
    sink.deliver(segment)
    assert len(list((tmp_path / "landing").rglob("*.jsonl"))) == 1


def test_a_landing_folder_that_is_away_says_so_and_the_segment_stays(tmp_path: Path, segment: Segment) -> None:
    (tmp_path / "landing").touch()
    with pytest.raises(SinkError, match="cannot be written: Not a directory"):
        LandingFolder(tmp_path / "landing").deliver(segment)
    assert segment.path.exists()
