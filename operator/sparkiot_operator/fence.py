"""The last thing before a request goes out: may this process still act?

A check any earlier leaves time between it and the request: waiting for a connection, a handshake, or a process that was
stopped in between. aiohttp tells when it has a connection; from there on it writes without waiting for anything.
"""

from collections.abc import Callable
from types import SimpleNamespace

import aiohttp

Fence = Callable[[], None]
"""Raises NotLeadingError where this process must not change anything."""
READS = ("GET", "HEAD")


def fenced(fence: Fence) -> aiohttp.TraceConfig:
    """Makes every request of a session that changes something pass ``fence`` once it has its connection."""

    async def note(_: aiohttp.ClientSession, context: SimpleNamespace, start: aiohttp.TraceRequestStartParams) -> None:
        context.changes = start.method not in READS

    async def check(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        if context.changes:
            fence()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(note)
    trace.on_connection_create_end.append(check)
    trace.on_connection_reuseconn.append(check)
    return trace
