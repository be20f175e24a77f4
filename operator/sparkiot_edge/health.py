"""/healthz, /readyz and /metrics of the gateway on one port."""

import logging
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import cast

from prometheus_client import CollectorRegistry, MetricsHandler

LOGGER = logging.getLogger(__name__)
CLIENT_S = 5.0


class HealthError(Exception):
    """The address cannot be listened on."""


class HealthServer:
    """alive: whether all threads run. problem: why no messages come in, None when they do. Raises HealthError."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        registry: CollectorRegistry,
        alive: Callable[[], bool],
        problem: Callable[[], str | None],
    ) -> None:
        handler = type("Handler", (_Handler,), {"registry": registry})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise HealthError(f"health address {host}:{port} cannot be listened on: {error.strerror}") from error
        self._server.alive, self._server.problem = alive, problem
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()
        LOGGER.info("health and metrics on port %d", self.port)

    def stop(self) -> None:
        if self._thread.ident is not None:
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    alive: Callable[[], bool]
    problem: Callable[[], str | None]


class _Handler(MetricsHandler):
    timeout = CLIENT_S

    def do_GET(self) -> None:  # noqa: N802  # http.server's name
        server = cast("_Server", self.server)
        match self.path.partition("?")[0]:
            case "/metrics":
                super().do_GET()
            case "/healthz":
                self._say(None if server.alive() else "a thread has ended; the log says why")
            case "/readyz":
                self._say(server.problem())
            case _:
                self._answer(404, "/healthz, /readyz and /metrics are here")

    def _say(self, problem: str | None) -> None:
        self._answer(200 if problem is None else 503, problem or "ok")

    def _answer(self, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
