"""/healthz, /readyz and /metrics on one port."""

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web

from .listening import listen
from .metrics import Metrics

LOGGER = logging.getLogger(__name__)
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class HealthServer:
    """Answers while the event loop runs, which is what a liveness probe is to find out.

    ready: why the operator is not ready, or None when it is.
    """

    def __init__(self, metrics: Metrics, *, ready: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._ready = ready
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises PortInUseError, or StartupError for an address that this machine does not have."""
        app = web.Application()
        app.add_routes(
            [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz), web.get("/metrics", self._scrape)]
        )
        self._runner, self.port = await listen(app, host, port, what="health", flag="--health-port")
        LOGGER.info("health and metrics on http://%s:%d", host, self.port)

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        reason = self._ready()
        return web.Response(text="ok\n") if reason is None else web.Response(status=503, text=reason + "\n")

    async def _scrape(self, _: web.Request) -> web.Response:
        # A thousand jobs make a hundred thousand lines: their cycles shall not wait for those.
        text = await asyncio.to_thread(self._metrics.render)
        return web.Response(body=text, headers={"Content-Type": PROMETHEUS_TEXT})
