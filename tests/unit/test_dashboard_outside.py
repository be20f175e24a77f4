"""Following an audit log for the page: what is wrong with the log stands on the page, and it is read again."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support_dashboard import FakeApi, board, played

from sparkiot_operator.audit import AuditLog
from sparkiot_operator.dashboard import outside
from sparkiot_operator.dashboard.board import Board

PLAYED = played().recent(30)


@pytest.fixture
async def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Board]:
    monkeypatch.setattr(outside, "LOOK_S", 0.01)
    shown = board(FakeApi(jobs=[PLAYED.resource]))
    task = asyncio.create_task(outside._follow(shown, tmp_path / "audit"))
    yield shown
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until(holds: Callable[[], bool]) -> None:
    """A test that never gets there ends at its time-out."""
    while not holds():  # noqa: ASYNC110 - what is awaited has no event
        await asyncio.sleep(0.01)


def write(folder: Path) -> None:
    log = AuditLog(folder, max_bytes=10**9, files=1)
    for record in PLAYED.records:
        log.write(record)
    log.close()


async def test_a_folder_that_comes_later_is_read_then(followed: Board, tmp_path: Path) -> None:
    await until(lambda: "cannot be read: No such file or directory" in followed.history.text)
    write(tmp_path / "audit")
    await until(lambda: followed.timelines.find(PLAYED.ref) is not None and "cannot" not in followed.history.text)
    found = followed.timelines.find(PLAYED.ref)
    assert found is not None
    assert (len(found.samples), found.rule) == (30, "Rate")


async def test_damaged_lines_are_counted_and_the_rest_is_shown(followed: Board, tmp_path: Path) -> None:
    write(tmp_path / "other")
    with (tmp_path / "other" / "decisions.jsonl").open("ab") as file:
        file.write(b"no record\n")
    shutil.copytree(tmp_path / "other", tmp_path / "audit")
    await until(lambda: "lines of it that cannot be read: 1" in followed.history.text)
    assert followed.timelines.find(PLAYED.ref) is not None


def test_the_rule_that_a_spec_names_and_one_that_is_unknown() -> None:
    assert outside.fallback_rule("HPA").identity.name == "HPA"
    assert outside.fallback_rule("Newer").identity.name == "Rate"
