"""/healthz, /readyz and /metrics: what they answer, and that a scrape holds up nothing."""

import asyncio
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sparkiot_operator.health import HealthServer
from sparkiot_operator.metrics import Metrics

PATIENCE_S = 30.0


class SlowMetrics(Metrics):
    """Whose text is ready when the event loop says so: a loop that waited for it would wait for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def render(self) -> bytes:
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S), "the event loop stands still during a scrape"
        return super().render()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_scrape_does_not_hold_up_the_event_loop(http: aiohttp.ClientSession) -> None:
    metrics = SlowMetrics()
    server = HealthServer(metrics, ready=lambda: None)
    await server.start("127.0.0.1", 0)
    try:
        scrape = asyncio.create_task(http.get(f"http://127.0.0.1:{server.port}/metrics"))
        while not metrics.begun.is_set():  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.001)
        async with http.get(f"http://127.0.0.1:{server.port}/healthz") as answer:
            assert await answer.text() == "ok\n"
        metrics.go_on.set()
        answer = await scrape
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "sparkiot_leader 0.0" in await answer.text()
    finally:
        metrics.go_on.set()
        await server.stop()


async def test_readiness_says_what_is_missing(http: aiohttp.ClientSession) -> None:
    missing: list[str | None] = ["waiting for the API server", None]
    server = HealthServer(Metrics(), ready=lambda: missing.pop(0))
    await server.start("127.0.0.1", 0)
    try:
        url = f"http://127.0.0.1:{server.port}/readyz"
        async with http.get(url) as answer:
            assert (answer.status, await answer.text()) == (503, "waiting for the API server\n")
        async with http.get(url) as answer:
            assert answer.status == 200
    finally:
        await server.stop()
