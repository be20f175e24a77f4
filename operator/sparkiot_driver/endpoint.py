"""The HTTP endpoint that the operator and Prometheus use. It knows the protocol; what it serves is given to it."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Tuple
from urllib.parse import parse_qs

MAX_BODY_BYTES = 64 * 1024
SOCKET_TIMEOUT_SECONDS = 30
"""Longer than the operator's poll, so that it keeps its connection. One on which nothing was answered for so long is
closed, also where bytes keep trickling in: whoever dawdles holds a thread."""
MOST_CONNECTIONS = 64
"""At once; each has a thread. The operator has two, and Prometheus and the kubelet one each."""
JSON_TYPE = "application/json"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Answer = Tuple[int, Dict[str, Any]]
Accept = Callable[[bytes], bool]


class Service(ABC):
    """What the endpoint serves; the supervisor implements it. Called from several threads."""

    @abstractmethod
    def observation(self, after: int) -> dict[str, Any]:
        """The observation, with the batches numbered above ``after``."""

    @abstractmethod
    def metrics(self) -> str:
        """The text that Prometheus scrapes."""

    @abstractmethod
    def allocate(self, body: object) -> Answer:
        """Take an allocation in: status code and answer."""

    @abstractmethod
    def notice(self, body: object) -> Answer:
        """Take in which executors have to end: status code and answer."""

    @abstractmethod
    def stop(self, grace_seconds: float) -> None:
        """Begin to stop."""


class Endpoint(ThreadingHTTPServer):
    """Listens at once; ``serve_forever`` answers."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in mid-request, such as a probe at its time-out, is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def __init__(self, host: str, port: int, accept: Accept, service: Service) -> None:
        """accept: whether a value of the header Authorization may do what it asks for."""
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._lock = threading.Lock()
        # By connection: whether it has shown the token, and when it was accepted or answered last.
        self._connections: dict[Any, tuple[bool, float]] = {}
        super().__init__((host, port), _handler(accept, service))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Where there is no room, the connection goes that has no token and was silent longest."""
        with self._lock:
            if len(self._connections) >= MOST_CONNECTIONS:
                self._hang_up(min(self._connections, key=self._connections.__getitem__))
            self._connections[request] = (False, time.monotonic())
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """``serve_forever`` calls it twice a second."""
        overdue = time.monotonic() - SOCKET_TIMEOUT_SECONDS
        with self._lock:
            for request in [request for request, (_, since) in self._connections.items() if since < overdue]:
                self._hang_up(request)

    def answered(self, request: Any, *, authorised: bool) -> None:
        with self._lock:
            if request in self._connections:
                self._connections[request] = (authorised, time.monotonic())

    def _hang_up(self, request: Any) -> None:
        """Its thread reads the end of the connection, and ends."""
        del self._connections[request]
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


def _handler(accept: Accept, service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "sparkiot"
        sys_version = ""
        timeout = SOCKET_TIMEOUT_SECONDS
        _authentic = False
        """Whether a request on this connection has shown the token."""

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/healthz":
                self._reply(200, b"ok\n", "text/plain")
            elif not self._authorised():
                pass
            elif path == "/v1/observation":
                after = _whole(parse_qs(query).get("after", ["0"])[0])
                if after is None:
                    self._json(400, {"error": "after must be a whole number of 18 digits at most"})
                else:
                    self._json(200, service.observation(after))
            elif path == "/metrics":
                self._reply(200, service.metrics().encode(), METRICS_TYPE)
            else:
                self._json(404, {"error": f"no such path: {path}"})

        def do_PUT(self) -> None:
            self._with_body("/v1/allocation")

        def do_POST(self) -> None:
            self._with_body("/v1/notice", "/v1/stop")

        def _with_body(self, *known: str) -> None:
            if not self._authorised():
                return
            path = self.path.partition("?")[0]
            if path not in known:
                self._json(404, {"error": f"no such path: {self.path}"}, close=True)
                return
            length = _whole(self.headers.get("Content-Length", "0"))
            if length is None or length > MAX_BODY_BYTES:
                self._json(413, {"error": f"a body has at most {MAX_BODY_BYTES} bytes and says how many"}, close=True)
                return
            try:
                body = json.loads(self.rfile.read(length) or b"{}")
            except (ValueError, RecursionError) as error:
                self._json(400, {"error": f"the body is not JSON: {error}"})
                return
            if path != "/v1/stop":
                self._json(*(service.allocate(body) if path == "/v1/allocation" else service.notice(body)))
                return
            grace = body.get("graceSeconds", 30) if isinstance(body, dict) else None
            if isinstance(grace, bool) or not isinstance(grace, (int, float)) or not 0 <= grace <= 3600:
                self._json(400, {"error": f"graceSeconds must be from 0 to 3600, not {grace!r}"})
                return
            service.stop(float(grace))
            self._json(202, {"state": "Stopping"})

        def _authorised(self) -> bool:
            given = self.headers.get("Authorization", "").encode("latin-1", "replace")
            self._authentic = accept(given)
            if self._authentic:
                return True
            self._json(401, {"error": "the bearer token is missing or wrong"}, close=True)
            return False

        def _json(self, code: int, body: dict[str, Any], *, close: bool = False) -> None:
            if close:  # the body was not read, so the connection cannot serve another request
                self.close_connection = True
            self._reply(code, json.dumps(body).encode() + b"\n", JSON_TYPE)

        def _reply(self, code: int, content: bytes, content_type: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            if code == 401:
                self.send_header("WWW-Authenticate", "Bearer")
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)
            if isinstance(self.server, Endpoint):
                self.server.answered(self.connection, authorised=self._authentic)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server names it
            """The operator polls every few seconds; its requests are no news."""

    return Handler


def _whole(text: str) -> int | None:
    """Of digits that a number of 64 bits can have; None for all else that Python takes for digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
