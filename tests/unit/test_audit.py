"""The audit log: what is written is read back, whatever a crash leaves behind."""

import contextlib
import errno
import json
import logging
import resource
from collections.abc import Iterator
from dataclasses import replace
from io import FileIO
from pathlib import Path

import pytest
from support_jobs import NOW, Scripted, allocation, evaluation, history, job
from support_jobs import measurement as measured

from sparkiot_operator.audit import (
    AuditError,
    AuditLog,
    AuditRecord,
    audit_files,
    decode_line,
    encode_record,
    read_audit,
)
from sparkiot_operator.events import JobRef
from sparkiot_policies.controller import Controller
from sparkiot_policies.decide import decide

MIB = 1024 * 1024


def record(number: int = 0, *, name: str = "city") -> AuditRecord:
    seen = evaluation()
    decision = decide(job(), seen, Scripted(allocation(5 + number % 10)), fallback=Scripted(allocation()))
    return AuditRecord(JobRef("iot", name, "uid-1"), number, job(), seen, decision)


def written(folder: Path, count: int, *, max_bytes: int = MIB, files: int = 3) -> list[AuditRecord]:
    records = [record(number) for number in range(count)]
    log = AuditLog(folder, max_bytes=max_bytes, files=files)
    for each in records:
        log.write(each)
    log.close()
    return records


def test_records_come_back_equal_and_in_order(tmp_path: Path) -> None:
    records = written(tmp_path, 20)
    assert list(read_audit([tmp_path])) == records
    assert list(read_audit([tmp_path / "decisions.jsonl"])) == records


def test_a_first_cycle_without_any_measurement_is_recorded_too(tmp_path: Path) -> None:
    controller = Controller(job(), policy=Scripted(allocation()), fallback=Scripted(allocation()), history=history())
    seen, decision = controller.step(None, signal=None, now=NOW)
    controller.step(measured(NOW), signal=None, now=NOW)
    log = AuditLog(tmp_path, max_bytes=MIB, files=1)
    first = AuditRecord(JobRef("iot", "city", "uid-1"), 1, job(), seen, decision)
    log.write(first)
    assert list(read_audit([tmp_path])) == [first]


def test_one_line_a_decision_with_a_schema_version(tmp_path: Path) -> None:
    written(tmp_path, 2)
    lines = (tmp_path / "decisions.jsonl").read_text().splitlines()
    assert len(lines) == 2
    first = json.loads(lines[0])
    assert list(first) == [
        "schema",
        "namespace",
        "name",
        "uid",
        "generation",
        "job",
        "evaluation",
        "decision",
        "shadow",
    ]
    assert first["schema"] == 2


def test_rotation_keeps_the_newest_in_order_and_no_more_files_than_asked(tmp_path: Path) -> None:
    size = len(json.dumps(encode_record(record())))
    records = written(tmp_path, 40, max_bytes=4 * size, files=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["decisions.jsonl", "decisions.jsonl.1", "decisions.jsonl.2", "decisions.jsonl.3"]
    kept = list(read_audit([tmp_path]))
    assert kept == records[-len(kept) :]
    assert all(path.stat().st_size <= 4 * size for path in tmp_path.iterdir())
    assert [path.name for path in audit_files(tmp_path)][-1] == "decisions.jsonl"


def test_a_restarted_operator_appends(tmp_path: Path) -> None:
    first, second = written(tmp_path, 3), written(tmp_path, 2)
    assert list(read_audit([tmp_path])) == first + second


@pytest.mark.parametrize("keep", [1, 10, 500])
def test_a_last_line_that_a_crash_cut_off_is_left_out(
    tmp_path: Path, keep: int, caplog: pytest.LogCaptureFixture
) -> None:
    records = written(tmp_path, 3)
    file = tmp_path / "decisions.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:keep])
    with caplog.at_level(logging.WARNING):
        assert list(read_audit([tmp_path])) == records[:2]
    assert f"{file}:3" in caplog.text
    # The next operator writes on, and the torn line does not spoil its first one.
    assert list(read_audit([tmp_path])) + written(tmp_path, 2) == list(read_audit([tmp_path]))


@pytest.mark.parametrize(
    "line",
    ["not json", "[]", '{"schema": 99}', '{"schema": 1}', '{"schema": 1, "namespace": "a", "name": "b", "uid": "c"}'],
)
def test_a_corrupt_line_is_named_with_file_and_number(tmp_path: Path, line: str) -> None:
    written(tmp_path, 1)
    file = tmp_path / "decisions.jsonl"
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(AuditError, match=f"{file}:2: not an audit record"):
        list(read_audit([file]))


@contextlib.contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes: writes meet what they meet on a full disk, a short one and then errors."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_a_line_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    log, file = AuditLog(tmp_path, max_bytes=10**9, files=1), tmp_path / "decisions.jsonl"
    log.write(record())
    whole = file.stat().st_size
    with no_room(whole + 100):
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                log.write(record())
            assert file.stat().st_size == whole
    with no_room(whole), pytest.raises(OSError, match="too large"):
        log.write(record())
    log.write(record())
    log.close()
    assert list(read_audit([tmp_path])) == [record()] * 2


def test_a_rotation_that_fails_half_way_does_not_end_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path, max_bytes=1, files=9)
    log.write(record())
    opened = AuditLog._open

    def fails(self: AuditLog) -> FileIO:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(AuditLog, "_open", fails)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            log.write(record())
    monkeypatch.setattr(AuditLog, "_open", opened)
    log.write(record())
    log.close()
    assert list(read_audit([tmp_path])) == [record()] * 2


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_audit([tmp_path / "nowhere.jsonl"]))


def test_a_policy_in_shadow_stands_beside_the_decision_and_older_lines_know_none() -> None:
    found = record()
    line = json.dumps(encode_record(replace(found, shadow=found.decision))).encode()
    assert decode_line(line) == replace(found, shadow=found.decision)
    older = {key: value for key, value in json.loads(line).items() if key != "shadow"}
    assert decode_line(json.dumps({**older, "schema": 1}).encode()) == found
