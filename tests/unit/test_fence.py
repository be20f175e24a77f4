"""The fence stands between a connection and the request: what changes something is refused, reads pass."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sparkiot_operator.errors import NotLeadingError
from sparkiot_operator.fence import fenced


async def test_nothing_that_changes_anything_leaves_a_fenced_session() -> None:
    arrived: list[str] = []
    may_act = True

    def fence() -> None:
        if not may_act:
            raise NotLeadingError("no")

    async def answer(request: web.Request) -> web.Response:
        arrived.append(request.method)
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_route("*", "/", answer)
    async with TestServer(app) as server, aiohttp.ClientSession(trace_configs=[fenced(fence)]) as session:
        url = server.make_url("/")
        for fresh in (True, False):  # over a new connection, and over one that is there
            may_act = False
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                with pytest.raises(NotLeadingError):
                    await session.request(method, url)
            assert arrived == []
            if fresh:
                async with session.get(url) as response:
                    assert response.status == 200
                arrived.clear()
        may_act = True
        async with session.post(url) as response:
            assert response.status == 200
    assert arrived == ["POST"]
