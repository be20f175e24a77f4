"""The operator's calls to a driver, against a real HTTP server on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from support_spark import allocation_request, wire_batch

from sparkiot_operator import driver_client
from sparkiot_operator.driver_client import DriverClient, open_driver_http
from sparkiot_operator.errors import DriverError, DriverRefusedError, DriverUnreachableError

TOKEN = "tok-3f9a"
OBSERVATION = {"time": 1000.0, "incarnation": "a", "state": "Running", "batches": [wire_batch(7, end=999.0)]}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def driver(handler: Handler, *, timeout_s: float = 5.0) -> AsyncIterator[DriverClient]:
    """A client of a server that answers every request with ``handler``."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with open_driver_http(timeout_s) as session:
            yield DriverClient(session, port=runner.addresses[0][1])
    finally:
        await runner.cleanup()


def answers(status: int = 200, body: Any = None, *, seen: list[tuple[Any, ...]] | None = None) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        if seen is not None:
            body_in = await request.json() if request.can_read_body else None
            seen.append((request.method, request.path_qs, request.headers.get("Authorization"), body_in))
        return web.json_response(body, status=status)

    return handle


async def test_calls_are_what_the_driver_expects() -> None:
    seen: list[tuple[Any, ...]] = []
    async with driver(answers(200, OBSERVATION, seen=seen)) as client:
        report = await client.observation("127.0.0.1", TOKEN, None)
        await client.observation("127.0.0.1", TOKEN, 7)
        await client.allocate("127.0.0.1", TOKEN, allocation_request(generation=9))
        await client.notice("127.0.0.1", TOKEN, "spark-1", ["3", "4"])
        await client.stop("127.0.0.1", TOKEN, 30)
    assert report.last_seq == 7
    wire = {"generation": 9, "executors": 2, "memoryMiB": 2048, "tier": "Warm", "compression": "LZ4"}
    assert seen == [
        ("GET", "/v1/observation", f"Bearer {TOKEN}", None),
        ("GET", "/v1/observation?after=7", f"Bearer {TOKEN}", None),
        ("PUT", "/v1/allocation", f"Bearer {TOKEN}", wire),
        ("POST", "/v1/notice", f"Bearer {TOKEN}", {"applicationId": "spark-1", "executors": ["3", "4"]}),
        ("POST", "/v1/stop", f"Bearer {TOKEN}", {"graceSeconds": 30}),
    ]


async def test_the_address_of_an_ipv6_pod_stands_in_brackets() -> None:
    """Nobody answers there, and some machines have no IPv6 at all: either way the call was one to that address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with open_driver_http(5.0) as session:
        with pytest.raises(DriverUnreachableError, match=rf"GET http://\[::1\]:{port}/v1/observation: .*::1"):
            await DriverClient(session, port=port).observation("::1", TOKEN, None)


@pytest.mark.parametrize(
    ("status", "body", "error", "part"),
    [
        (401, {"error": "unauthorised"}, DriverRefusedError, "401 unauthorised"),
        (409, {"error": "generation 9 is older than 12", "generation": 12}, DriverRefusedError, "older than 12"),
        (302, {}, DriverRefusedError, "302"),
        (500, {"error": "boom"}, DriverUnreachableError, "500 boom"),
        (503, None, DriverUnreachableError, "503"),
    ],
)
async def test_a_refusal_says_what_the_driver_said(status: int, body: Any, error: type[DriverError], part: str) -> None:
    async with driver(answers(status, body)) as client:
        with pytest.raises(error, match=part) as caught:
            await client.allocate("127.0.0.1", TOKEN, allocation_request())
    assert "PUT http://127.0.0.1" in str(caught.value)
    assert TOKEN not in str(caught.value)
    if isinstance(caught.value, DriverRefusedError):
        assert caught.value.status == status


@pytest.mark.parametrize(
    "body", [None, [], {"time": 1.0}, OBSERVATION | {"state": "Confused"}, OBSERVATION | {"time": "x"}]
)
async def test_an_answer_that_is_no_observation_is_refused(body: Any) -> None:
    async with driver(answers(200, body)) as client:
        with pytest.raises(DriverRefusedError, match="its observation cannot be read"):
            await client.observation("127.0.0.1", TOKEN, None)


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_client, "MAX_BODY", 1000)
    async with driver(answers(200, "x" * 2000)) as client:
        with pytest.raises(DriverRefusedError, match="larger than 1000 bytes"):
            await client.observation("127.0.0.1", TOKEN, None)


async def test_a_silent_driver_is_unreachable() -> None:
    gone = asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        await gone.wait()
        return web.Response()

    async with driver(handle, timeout_s=0.2) as client:
        with pytest.raises(DriverUnreachableError, match="no answer in time"):
            await client.observation("127.0.0.1", TOKEN, None)
        gone.set()


async def test_a_driver_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with open_driver_http(5.0) as session:
        with pytest.raises(DriverUnreachableError) as caught:
            await DriverClient(session, port=port).observation("127.0.0.1", TOKEN, None)
    assert TOKEN not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)


async def test_a_connection_that_breaks_is_unreachable() -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    async with driver(handle) as client:
        with pytest.raises(DriverUnreachableError):
            await client.observation("127.0.0.1", TOKEN, None)
