"""Answers without an end: watches, as lines of HTTP or as WebSocket frames, and logs that are followed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import WSMsgType, web

from sparkiot_sim.devcluster.errors import bad_request

log = logging.getLogger(__name__)

PING_SECONDS = 30.0


def is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


async def stream(
    request: web.Request, first: bytes, more: AsyncIterator[bytes], *, content_type: str
) -> web.StreamResponse:
    """Chunks over HTTP, until there are no more or the client goes away."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    await response.prepare(request)
    try:
        await response.write(first)
        async for chunk in more:
            await response.write(chunk)
    except ConnectionResetError:
        log.debug("%s: the client has gone", request.path)
    return response


async def websocket(request: web.Request, first: bytes, more: AsyncGenerator[bytes]) -> web.StreamResponse:
    """Lines as text frames, one each, until there are no more or the client closes.

    Raises ApiError 400, or aiohttp's HTTPBadRequest, for a handshake that is none.
    """
    socket = web.WebSocketResponse(heartbeat=PING_SECONDS, compress=False)
    try:
        await socket.prepare(request)
    except ValueError as error:  # of a key that is not ASCII, which aiohttp does not expect
        raise bad_request(f"the WebSocket's handshake cannot be read: {error}") from error
    sender = asyncio.create_task(_send(socket, first, more))
    try:
        # Reading answers pings, and notices that the client has closed.
        while not sender.done():
            reader = asyncio.create_task(socket.receive())
            await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
            if not reader.done():
                await _cancel(reader)
            elif reader.result().type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                break
    finally:
        await _cancel(sender)
        await socket.close()
    return socket


async def _send(socket: web.WebSocketResponse, first: bytes, more: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(ConnectionResetError):
        for line in first.splitlines():
            await socket.send_str(line.decode())
        async for chunk in more:
            for line in chunk.splitlines():
                await socket.send_str(line.decode())


async def _cancel(task: asyncio.Task[object] | asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
