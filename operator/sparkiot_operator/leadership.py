"""The election in the life of the process: stand by, act, give the lease back or end when it is lost."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from .clock import running_clock
from .election import Election, Timing
from .errors import StartupError
from .fence import Fence
from .kube import KubeApi
from .lease import LeaseStore
from .metrics import Metrics
from .settings import Settings

LOGGER = logging.getLogger(__name__)
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Leadership:
    """What the rest of the process sees of it. election: None where no other operator competes."""

    def __init__(self, election: Election | None, *, shutdown_s: float) -> None:
        self._election = election
        self._shutdown_s = shutdown_s

    @property
    def leading(self) -> bool:
        return self._election is None or self._election.leading

    @property
    def fence(self) -> Fence | None:
        return self._election.check if self._election else None

    async def during(self, acting: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
        """Let ``acting`` run until it ends. ``stop``, which ends it, is set when the lease is lost.

        Raises NotLeadingError in that case, once it has ended or its time for that is over: its calls are refused.
        """
        if self._election is None:
            await acting
            return
        running, holding = asyncio.create_task(acting), asyncio.create_task(self._election.hold())
        try:
            await asyncio.wait((running, holding), return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                LOGGER.error("the lease is lost: this replica ends")
                stop.set()
                await asyncio.wait((running,), timeout=self._shutdown_s)
                holding.result()
            await running
        finally:
            for task in (running, holding):
                task.cancel()
            await asyncio.gather(running, holding, return_exceptions=True)


@contextlib.asynccontextmanager
async def leadership(settings: Settings, api: KubeApi, metrics: Metrics) -> AsyncIterator[Leadership]:
    """Stand by until this process leads, or a signal ends it: then it does not lead. Gives the lease back at the end.

    api: without a fence. Raises StartupError when it is not clear where the lease is.
    """
    shutdown_s = settings.shutdown_seconds
    if not settings.leader_elect:
        metrics.leader.set(1)
        yield Leadership(None, shutdown_s=shutdown_s)
        return
    election = Election(
        LeaseStore(api, namespace=_namespace(settings), name=settings.leader_lease_name),
        identity=f"{os.environ.get('HOSTNAME') or socket.gethostname()}_{secrets.token_hex(4)}",
        timing=Timing(
            duration=settings.leader_lease_seconds,
            deadline=settings.leader_deadline_seconds,
            retry=settings.leader_retry_seconds,
        ),
        wall=time.time,
        clock=running_clock,
    )
    metrics.leader.set_function(lambda: float(election.leading))
    LOGGER.info("standing by for the lease %s", settings.leader_lease_name)
    await _until_signal(election.acquire())
    try:
        yield Leadership(election, shutdown_s=shutdown_s)
    finally:
        await election.release()


async def _until_signal(waiting: Coroutine[Any, Any, None]) -> None:
    """Wait, but no longer than until SIGTERM or SIGINT; those are kopf's from then on."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    tasks = asyncio.create_task(waiting), asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in signals:
            loop.remove_signal_handler(number)


def _namespace(settings: Settings) -> str:
    if settings.leader_lease_namespace:
        return settings.leader_lease_namespace
    try:
        return OWN_NAMESPACE.read_text().strip()
    except OSError as error:
        raise StartupError(
            "leader-elect needs leader-lease-namespace outside of a pod: the namespace of the Lease"
        ) from error
