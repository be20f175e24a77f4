"""The page over HTTP: GET only, from files of the package only, and to this machine only.

It has no login, so it listens on loopback and answers only to a name of loopback: a web site that points a name of its
own there (DNS rebinding) gets nothing. Who may reach the port is for the shell, or `kubectl port-forward`, to say.
"""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from aiohttp import web

from sparkiot_operator.listening import listen

from .board import Board
from .overview import Query
from .pages import Pages

LOGGER = logging.getLogger(__name__)
HOST = "127.0.0.1"
NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PageServer:
    """An async context manager. port: 0 takes a free one; then ``url`` says which."""

    def __init__(self, board: Board, *, port: int, flag: str) -> None:
        self._board = board
        self._pages = Pages(board)
        self._port = port
        self._flag = flag
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        """Raises PortInUseError or StartupError."""
        app = web.Application(middlewares=[guard])
        app.add_routes(
            [
                web.get("/", self._overview),
                web.get("/jobs/{namespace}/{name}", self._job),
                web.get("/jobs/{namespace}/{name}/numbers", self._numbers),
                web.static("/static", STATIC),
            ]
        )
        self._runner, port = await listen(app, HOST, self._port, what="dashboard", flag=self._flag)
        self.url = f"http://{HOST}:{port}/"
        LOGGER.info("dashboard on %s", self.url)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _overview(self, request: web.Request) -> web.Response:
        query = Query.parse(request.query)
        response = page(self._pages.overview(await self._board.snapshot(), query))
        if "by" in request.query:
            # The address that the browser shows names the order, not the heading that was pressed for it.
            response.headers["HX-Push-Url"] = query.url()
        return response

    async def _job(self, request: web.Request) -> web.Response:
        snapshot = await self._board.snapshot()
        job = snapshot.find(request.match_info["namespace"], request.match_info["name"])
        if job is None:
            return page(self._pages.absent(snapshot, _named(request)), status=404)
        return page(await self._pages.job(snapshot, job, paused=request.query.get("updates") == "off"))

    async def _numbers(self, request: web.Request) -> web.Response:
        snapshot = await self._board.snapshot()
        job = snapshot.find(request.match_info["namespace"], request.match_info["name"])
        if job is None:
            return page(self._pages.absent(snapshot, _named(request)), status=404)
        return page(self._pages.numbers(snapshot, job))


def page(text: str, *, status: int = 200) -> web.Response:
    response = web.Response(text=text, content_type="text/html", status=status, headers={"Cache-Control": "no-store"})
    response.enable_compression()
    return response


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses names that are not of loopback, and tells the browser to load nothing from elsewhere."""
    name = request.url.host
    if name not in NAMES:
        text = f"The dashboard answers to {', '.join(sorted(NAMES))}, not to {name}.\n"
        return web.Response(status=421, text=text, headers=HEADERS)
    try:
        response = await handler(request)
    except web.HTTPException as refused:
        refused.headers.update(HEADERS)
        raise
    response.headers.update(HEADERS)
    return response


def _named(request: web.Request) -> str:
    return f"{request.match_info['namespace']}/{request.match_info['name']}"
