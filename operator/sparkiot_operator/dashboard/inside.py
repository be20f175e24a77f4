"""The operator's own page: what it decides is remembered as it happens."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable

from sparkiot_operator.kube import KubeApi
from sparkiot_operator.settings import Settings

from .samples import Timelines

API_TIMEOUT_S = 5.0
"""Of the page's own calls: well below the 30 s that a browser waits for it."""


@contextlib.asynccontextmanager
async def inside_page(settings: Settings, *, standby: Callable[[], bool]) -> AsyncIterator[Timelines | None]:
    """Serve while the block runs, if the settings ask for it; gives what the loops are to fill.

    standby: whether another replica acts. Raises StartupError.
    """
    if not settings.dashboard:
        yield None
        return
    # Jinja2 and the pages are of no use to an operator without them.
    from .board import Board, History
    from .formats import moment
    from .server import PageServer

    timelines = Timelines()
    # Its own connections: a browser shall not hold up the calls of jobs.
    async with KubeApi(timeout_s=min(settings.api_timeout_seconds, API_TIMEOUT_S)) as api:
        board = Board(
            api,
            namespaces=settings.namespaces or [None],
            timelines=timelines,
            history=History(f"Timelines are kept by the operator, which started at {moment(time.time())}."),
            clock=time.time,
            standby=standby,
        )
        async with PageServer(board, port=settings.dashboard_port, flag="--dashboard-port"):
            yield timelines
