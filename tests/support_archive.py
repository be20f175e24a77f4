"""An S3 server that archives, as the Amazon S3 API Reference says: GetObject, RestoreObject, storage classes.

SeaweedFS keeps storage classes but reads every object at once, so the refusal is shown by this one: objects of GLACIER
and DEEP_ARCHIVE are refused with InvalidObjectState until they were restored, and ``finish`` ends the restores.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


@dataclass
class ArchivingServer:
    """What it holds: content and class by path; restores (``ongoing``, ``done``, or ``serves``: it goes on, and the
    server sends the content all the same); the paths whose restore was asked for. refuse: status and code of every PUT.
    """

    endpoint: str = ""
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    restores: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refuse: tuple[int, str] | None = None

    def finish(self) -> None:
        """All restores that go on are done."""
        self.restores = dict.fromkeys(self.restores, "done")


@contextlib.contextmanager
def archiving_server() -> Iterator[ArchivingServer]:
    state = ArchivingServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: ArchivingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.refuse is not None:
                return self._error(*state.refuse)
            state.objects[self._path] = (body, self.headers.get("x-amz-storage-class", "STANDARD"))
            return self._reply(200)

        def do_DELETE(self) -> None:
            state.objects.pop(self._path, None)
            self._reply(204)

        def do_GET(self) -> None:
            if "list-type" in urlsplit(self.path).query:
                return self._reply(200, b"<ListBucketResult></ListBucketResult>")
            if self._path not in state.objects:
                return self._error(404, "NoSuchKey")
            data, storage_class = state.objects[self._path]
            restore = state.restores.get(self._path)
            if storage_class in ARCHIVED and restore not in ("done", "serves"):
                return self._error(403, "InvalidObjectState")
            headers = {"x-amz-storage-class": storage_class}
            if restore == "done":
                headers["x-amz-restore"] = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2040 00:00:00 GMT"'
            elif restore == "serves":
                headers["x-amz-restore"] = 'ongoing-request="true"'
            start, _, end = self.headers["Range"].removeprefix("bytes=").partition("-")
            return self._reply(206, data[int(start) : int(end) + 1], headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "delete" in urlsplit(self.path).query:
                for name in body.decode().split("<Key>")[1:]:
                    state.objects.pop(f"{self._path.rstrip('/')}/{name.partition('<')[0]}", None)
                return self._reply(200, b"<DeleteResult></DeleteResult>")
            state.asked.append(self._path)
            if state.restores.get(self._path) == "ongoing":
                return self._error(409, "RestoreAlreadyInProgress")
            state.restores[self._path] = "ongoing"
            return self._reply(202)

        @property
        def _path(self) -> str:
            return unquote(urlsplit(self.path).path)

        def _error(self, status: int, code: str) -> None:
            body = f"<Error><Code>{code}</Code><Message>as the reference says</Message></Error>"
            self._reply(status, body.encode())

        def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server names it
            """Requests are no news."""

    return Handler
