"""Garbage between operator and driver, both ways: the endpoint answers and lives, the client raises a DriverError."""

import asyncio
import contextlib
import errno
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support_fuzz import damaged, examples, texts, values

from sparkiot_driver import endpoint as endpoint_module
from sparkiot_driver.allocation import Allocation, InvalidAllocationError
from sparkiot_driver.endpoint import Answer, Endpoint, Service
from sparkiot_operator.driver_client import DriverClient, open_driver_http
from sparkiot_operator.errors import DriverError

TOKEN = "tok-3f9a"
AUTHORISED = f"Authorization: Bearer {TOKEN}\r\n".encode()
WIRE = {"generation": 9, "executors": 2, "memoryMiB": 2048, "tier": "Warm", "compression": "LZ4"}
PATIENCE_S = 20


class Served(Service):
    """Takes allocations as the supervisor does, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.taken: list[object] = []

    def observation(self, after: int) -> dict[str, Any]:
        return {"after": after}

    def metrics(self) -> str:
        return "up 1\n"

    def allocate(self, body: object) -> Answer:
        try:
            self.taken.append(Allocation.from_wire(body))
        except InvalidAllocationError as error:
            return 400, {"error": str(error)}
        return 200, {}

    def notice(self, body: object) -> Answer:
        self.taken.append(body)
        return 202, {}

    def stop(self, grace_seconds: float) -> None:
        self.taken.append(grace_seconds)


class Running(Endpoint):
    """An endpoint that remembers what went wrong in it, which the real one prints."""

    def __init__(self, service: Service) -> None:
        super().__init__("127.0.0.1", 0, lambda given: given == f"Bearer {TOKEN}".encode(), service)
        self.errors: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        if not isinstance(sys.exc_info()[1], OSError):
            self.errors.append(repr(sys.exc_info()[1])[:300])


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(Served()) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


def raw(server: Endpoint, content: bytes) -> bytes:
    """What comes back until the server closes, or has answered."""
    with socket.create_connection(server.server_address[:2], timeout=PATIENCE_S) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError), closed_by_peer():
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        return answer


@contextlib.contextmanager
def closed_by_peer() -> Iterator[None]:
    """What Linux says of shutting down a connection that the other end has reset: no ConnectionError, but OSError."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def lives(server: Running) -> None:
    assert server.errors == []
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=PATIENCE_S)
    connection.request("GET", "/v1/observation?after=7", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"after": 7})
    connection.close()


def line(method: str, target: str, *headers: bytes, body: bytes = b"") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\n".encode("utf-8", "replace")
    return head + b"".join(header + b"\r\n" for header in headers) + AUTHORISED + b"\r\n" + body


PATHS = ("/healthz", "/v1/observation", "/metrics", "/v1/allocation", "/v1/notice", "/v1/stop", "/")
targets = st.sampled_from(PATHS) | texts.map(
    lambda text: f"/v1/observation?after={text}".replace(" ", "").replace("\n", "").replace("\0", "")
)


@examples(40)
@given(
    st.binary(max_size=60)
    | st.builds(line, st.sampled_from(["GET", "PUT", "POST", "DELETE", "BREW", "get", ""]), targets | texts)
    | st.builds(
        lambda target, length, body: line("PUT", target, b"Content-Length: " + length, body=body),
        st.sampled_from(["/v1/allocation", "/v1/notice", "/v1/stop"]),
        st.sampled_from([b"0", b"-1", b"\xb2", b"9" * 5000, b"1e3", b"", b" 2 ", b"70000", b"3"]),
        st.binary(max_size=20),
    )
)
@example(line("GET", "/v1/observation?after=%C2%B2"))
@example(line("GET", f"/v1/observation?after={'9' * 5000}"))
@example(line("GET", "//["))
@example(b"GET //[ HTTP/1.1\r\n\r\n")
@example(line("PUT", "//[", b"Content-Length: 0"))
@example(line("PUT", "/v1/allocation", b"Content-Length: \xb2"))
@example(line("PUT", "/v1/allocation", b"Content-Length: " + b"9" * 5000))
@example(line("PUT", "/v1/allocation", b"Content-Length: 60000", body=b"[" * 60_000))
@example(line("POST", "/v1/stop", b"Content-Length: 60000", body=b'{"graceSeconds":' + b"9" * 59_984))
@example(line("PUT", "/v1/allocation", b"Content-Length: 4", body=b"\xff\xfe{}"))
@example(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n")
@example(b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n")
@example(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n")
def test_fuzz_whatever_is_sent_the_endpoint_lives(running: Running, content: bytes) -> None:
    answer = raw(running, content)
    assert not answer.startswith(b"HTTP/1.1 500"), answer[:300]
    lives(running)


@examples(40)
@given(values | damaged(WIRE), st.sampled_from(["/v1/allocation", "/v1/notice", "/v1/stop"]))
def test_fuzz_whatever_json_is_sent_is_taken_or_refused(running: Running, body: Any, path: str) -> None:
    content = json.dumps(body).encode()
    method = "PUT" if path == "/v1/allocation" else "POST"
    answer = raw(running, line(method, path, b"Content-Length: %d" % len(content), body=content))
    code, _, rest = answer.partition(b" ")[2].partition(b" ")
    assert code in (b"200", b"202", b"400"), answer[:300]
    if code == b"400":
        assert json.loads(rest.partition(b"\r\n\r\n")[2])["error"]
    lives(running)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
answers = (
    st.binary(max_size=60)
    | values.map(lambda value: json.dumps(value).encode()).map(
        lambda body: HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )
    | st.sampled_from(
        [
            HEAD + b"Content-Length: -1\r\n\r\n{}",
            HEAD + b"Content-Length: 99\r\n\r\n{}",
            HEAD + b"Content-Encoding: gzip\r\n\r\n{}",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
            HEAD + b"Content-Length: 3000\r\n\r\n" + b"[" * 3000,
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 500 \xff\xfe\r\nContent-Length: 1\r\n\r\n\xff",
            b"HTTP/1.1 99999 x\r\n\r\n",
        ]
    )
)


async def asked(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, open_driver_http(2.0) as session:
        client = DriverClient(session, port=server.sockets[0].getsockname()[1])
        await client.observation("127.0.0.1", TOKEN, None)


@examples(40)
@given(answers)
def test_fuzz_whatever_a_driver_answers_is_a_report_or_an_error_that_names_it(answer: bytes) -> None:
    try:
        asyncio.run(asked(answer))
    except DriverError as error:
        said = str(error)
    else:
        said = "a report"
    assert said == "a report" or "127.0.0.1" in said


def test_fuzz_those_who_dawdle_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header a moment, for ever: each byte comes in time, the request never ends."""
    monkeypatch.setattr(endpoint_module, "SOCKET_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(endpoint_module, "MOST_CONNECTIONS", 5)
    with Running(Served()) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        begun = time.monotonic()
        slow = [socket.create_connection(server.server_address[:2], timeout=PATIENCE_S) for _ in range(20)]
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        lives(server)  # more of them than are served at once keep nobody out
        assert threading.active_count() < 20
        left = set(slow)
        while left and time.monotonic() - begun < PATIENCE_S:
            for connection in list(left):
                try:
                    connection.sendall(b"X: y\r\n")
                    connection.settimeout(0.01)
                    if connection.recv(1) == b"":
                        left.discard(connection)
                except TimeoutError:
                    pass
                except OSError:
                    left.discard(connection)
        assert not left
        for connection in slow:
            connection.close()
        lives(server)
        server.shutdown()
