"""Counts the requests to the Kubernetes API server, kopf's included, where they leave the process."""

from collections.abc import Callable
from types import SimpleNamespace

import aiohttp
from prometheus_client import Counter, Histogram

WATCH = "WATCH"
NO_ANSWER = "error"


class ApiCalls:
    """requests: by verb and code. seconds: by verb. clock: seconds that only grow.

    ``trace`` goes into a session of aiohttp; several may share it.
    """

    def __init__(self, requests: Counter, seconds: Histogram, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests = requests
        self._seconds = seconds
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_start.append(self._start)
        self.trace.on_request_end.append(self._end)
        self.trace.on_request_exception.append(self._fail)

    async def _start(
        self, _: aiohttp.ClientSession, call: SimpleNamespace, start: aiohttp.TraceRequestStartParams
    ) -> None:
        watches = start.url.query.get("watch") in ("true", "1")
        call.verb, call.began = WATCH if watches else start.method, self._clock()

    async def _end(self, _: aiohttp.ClientSession, call: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
        self._requests.labels(call.verb, str(end.response.status)).inc()
        if call.verb != WATCH:
            self._seconds.labels(call.verb).observe(self._clock() - call.began)

    async def _fail(
        self, _: aiohttp.ClientSession, call: SimpleNamespace, failed: aiohttp.TraceRequestExceptionParams
    ) -> None:
        """One that was cancelled or held back in this process says nothing of the server."""
        if isinstance(failed.exception, aiohttp.ClientError | TimeoutError | OSError):
            self._requests.labels(call.verb, NO_ANSWER).inc()
