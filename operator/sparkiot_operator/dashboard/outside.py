"""The page of somebody outside the operator: jobs by kubeconfig, decisions from an audit log where there is one."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

from sparkiot_operator.kube import KubeApi
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.rules import Rule, rule

from .audit_tail import AuditTail
from .board import Board, History
from .formats import clock as clock_text
from .inside import API_TIMEOUT_S
from .jobs import DEFAULT_RULE
from .samples import Timelines
from .server import PageServer

LOGGER = logging.getLogger(__name__)
LOOK_S = 5.0
AT_ONCE = 100
"""Decisions that are taken in before the page may answer in between."""


@contextlib.asynccontextmanager
async def outside_page(*, namespace: str | None, audit: Path | None, port: int) -> AsyncIterator[PageServer]:
    """Serve while the block runs. namespace: None for all. Raises StartupError."""
    timelines = Timelines()
    async with KubeApi(timeout_s=API_TIMEOUT_S) as api:
        board = Board(
            api,
            namespaces=[namespace],
            timelines=timelines,
            history=_of_log(audit) if audit is not None else _of_statuses(time.time()),
            clock=time.time,
        )
        async with PageServer(board, port=port, flag="--port") as server:
            following = asyncio.create_task(_look(board) if audit is None else _follow(board, audit))
            try:
                yield server
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


def _of_log(folder: Path, trouble: str = "") -> History:
    return History(f"Timelines come from the audit log in {folder}{trouble}.")


def _of_statuses(now: float) -> History:
    return History(
        f"Timelines come from statuses since {clock_text(now)}: these hold neither load nor forecast, and no rule can "
        "decide again. Start with --audit-dir, or turn on the operator's own page, for all of it.",
        watched=True,
    )


async def _look(board: Board) -> None:
    """Also while nobody looks at the page: statuses are gone once they are replaced."""
    while True:
        await board.snapshot()
        await asyncio.sleep(LOOK_S)


async def _follow(board: Board, folder: Path) -> None:
    """Take every decision in that the operator writes down. What is wrong with the log stands on the page."""
    with AuditTail(folder) as tail:
        while True:
            snapshot = await board.snapshot()
            rules = {job.ref: fallback_rule(job.rule) for job in snapshot.jobs or ()}
            try:
                for number, record in enumerate(tail.read()):
                    board.timelines.record(record, rules.get(record.ref) or fallback_rule(DEFAULT_RULE))
                    if number % AT_ONCE == 0:
                        await asyncio.sleep(0)
                trouble = f"; lines of it that cannot be read: {tail.damaged}" if tail.damaged else ""
            except OSError as error:
                trouble = f", which cannot be read: {error.strerror}"
            except Exception as error:
                LOGGER.exception("%s: a decision is missing on the dashboard", folder)
                trouble = f", of which a decision is missing: {error!r}"
            board.history = _of_log(folder, trouble)
            await asyncio.sleep(LOOK_S)


@functools.cache
def fallback_rule(name: str) -> Rule:
    """The rule that a spec names; Rate for a name that this version does not know."""
    try:
        return rule(name)
    except PolicyError:
        return rule(DEFAULT_RULE)
