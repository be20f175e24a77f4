"""An API server as bad weather makes it: a proxy between the operators and the real one, which knows nothing of it.

What is refused here never reaches the real server, as with a server that is overloaded; watches are held up, cut or let
fall silent on their way back. So the product needs no hooks for tests, and its own clients meet every fault.
"""

import asyncio
import base64
import random
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import trustme
import yaml
from aiohttp import web
from kubernetes import client as kube_client
from kubernetes import config as kube_config
from support_tiers import HOST
from yarl import URL

START_S = 30.0
LOOK_S = 0.2
REASONS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError"}
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
OWN_HEADERS = ("host", "content-length", "transfer-encoding", "connection", "accept-encoding")


@dataclass
class Weather:
    """What happens to requests now; faults set it and clear it.

    storms: share of the requests that get this code as their answer. watch_delay_s: by which each piece of a watch is
    late. cut_every_s: after which a watch is cut off; None: never. silent: watches swallow what they should tell; one
    that has swallowed anything stays dumb until its client gives it up.
    """

    storms: dict[int, float] = field(default_factory=dict)
    watch_delay_s: float = 0.0
    cut_every_s: float | None = None
    silent: bool = False


class ApiProxy:
    """Runs in a thread of its own. kubeconfig: leads to the real server, as whoever sends no credentials.

    met: how many requests got which code from a storm, pieces of watches came late, watches were cut or fell dumb.
    """

    def __init__(self, kubeconfig: Path, *, seed: int) -> None:
        self.weather = Weather()
        self.met: Counter[str] = Counter()
        self._server = kube_client.Configuration()
        kube_config.load_kube_config(str(kubeconfig), client_configuration=self._server)
        self._draw = random.Random(seed)
        self._authority = trustme.CA()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(START_S)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(START_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def kubeconfig(self, original: Path, target: Path) -> Path:
        """The same user's way to the cluster, through this proxy."""
        config = yaml.safe_load(original.read_text())
        (cluster,) = config["clusters"]
        authority = base64.b64encode(self._authority.cert_pem.bytes()).decode()
        cluster["cluster"] = {"server": f"https://{HOST}:{self.port}", "certificate-authority-data": authority}
        target.write_text(yaml.safe_dump(config))
        return target

    async def _start(self) -> None:
        token = self._server.get_api_key_with_prefix("BearerToken") or self._server.get_api_key_with_prefix(
            "authorization"
        )
        trusted = ssl.create_default_context(cafile=self._server.ssl_ca_cert)
        if self._server.cert_file:
            trusted.load_cert_chain(self._server.cert_file, self._server.key_file)
        self._session = aiohttp.ClientSession(
            headers={"Authorization": token} if token else {},
            connector=aiohttp.TCPConnector(ssl=trusted, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            # A real API server refuses a GET with a type of content, and packs long answers if it may.
            skip_auto_headers=("Accept-Encoding", "Content-Type"),
        )
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(HOST).configure_cert(own)
        application = web.Application(client_max_size=1 << 26)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0, ssl_context=own)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        if self._session:
            await self._session.close()

    def _struck(self, method: str) -> int | None:
        """The code that a storm answers with. Only what changes something can be in conflict."""
        for code, share in list(self.weather.storms.items()):
            if (code != 409 or method in CHANGES) and self._draw.random() < share:
                self.met[str(code)] += 1
                return code
        return None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if (code := self._struck(request.method)) is not None:
            return web.json_response(
                {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": REASONS[code], "code": code,
                 "message": "bad weather"},
                status=code,
                headers={"Retry-After": "1"} if code == 429 else None,
            )  # fmt: skip
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in OWN_HEADERS}
        url = URL(self._server.host.rstrip("/") + request.raw_path, encoded=True)
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=await request.read(), allow_redirects=False
            ) as answer:
                kept = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
                if request.query.get("watch") in ("true", "1"):
                    return await self._stream(request, answer, kept)
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except (aiohttp.ClientError, OSError):
            # As the client would see it without a proxy: no answer, and no status.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        transport = request.transport
        cutting = asyncio.create_task(self._cut_later(transport))
        try:
            dumb = False
            async for piece in answer.content.iter_any():
                if not dumb and self.weather.silent:
                    dumb = True
                    self.met["dumb"] += 1
                if not dumb:
                    if self.weather.watch_delay_s:
                        self.met["late"] += 1
                        await asyncio.sleep(self.weather.watch_delay_s)
                    await response.write(piece)
            if dumb:
                await asyncio.Event().wait()  # until the client has had enough
            return response
        finally:
            cutting.cancel()

    async def _cut_later(self, transport: asyncio.Transport | None) -> None:
        while transport is not None:
            every = self.weather.cut_every_s
            await asyncio.sleep(LOOK_S if every is None else every)
            if every is not None and self.weather.cut_every_s is not None:
                self.met["cut"] += 1
                transport.abort()
                return
