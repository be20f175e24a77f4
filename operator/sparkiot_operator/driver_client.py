"""The operator's calls to the endpoint in a job's driver pod."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
from pydantic import ValidationError

from .errors import DriverRefusedError, DriverUnreachableError
from .fence import Fence, fenced
from .spark.allocation import AllocationRequest
from .spark.naming import AGENT_PORT
from .spark.report import DriverReport

MAX_BODY = 4 << 20
"""Bytes of an answer that are read; 500 batches and 1000 executors take less than a tenth."""
SHOWN = 200


@asynccontextmanager
async def open_driver_http(timeout_s: float, *, fence: Fence | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for all drivers. timeout_s: until a call counts as failed. fence: raises where nothing may be changed.

    No proxy and no cookies: a driver is a pod, reached at its address.
    """
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=2)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[fenced(fence)] if fence else None,
    ) as http:
        yield http


class DriverClient:
    """A thin edge: one method a call, values in and out. Every call raises a DriverError's child.

    session: its time-out holds for each call. port: of the endpoint, at every driver.
    """

    def __init__(self, session: aiohttp.ClientSession, *, port: int = AGENT_PORT) -> None:
        self._session = session
        self._port = port

    async def observation(self, ip: str, token: str, after: int | None) -> DriverReport:
        """What the driver at a pod's address saw. after: leave out batches up to this number; None for all it keeps."""
        query = "" if after is None else f"?after={after}"
        payload = await self._call("GET", ip, f"/v1/observation{query}", token)
        try:
            return DriverReport.model_validate_json(payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the answer"
            message = f"driver at {ip}: its observation cannot be read: {where}: {first['msg']}"
            raise DriverRefusedError(message) from None

    async def allocate(self, ip: str, token: str, request: AllocationRequest) -> None:
        """Make the driver apply an allocation. Idempotent. Raises DriverRefusedError, status 409, for an old one."""
        await self._call("PUT", ip, "/v1/allocation", token, body=request.to_json())

    async def notice(self, ip: str, token: str, application: str, executors: Sequence[str]) -> None:
        """Tell the driver which executors of an application have to end, by Spark's ids. Idempotent."""
        body = {"applicationId": application, "executors": list(executors)}
        await self._call("POST", ip, "/v1/notice", token, body=body)

    async def stop(self, ip: str, token: str, grace_s: float) -> None:
        """Make the driver stop its queries at the end of their batches, then Spark; it answers before it is done."""
        await self._call("POST", ip, "/v1/stop", token, body={"graceSeconds": grace_s})

    async def _call(
        self, method: str, ip: str, path: str, token: str, *, body: Mapping[str, Any] | None = None
    ) -> bytes:
        host = f"[{ip}]" if ":" in ip else ip
        call = f"{method} http://{host}:{self._port}{path}"
        try:
            async with self._session.request(
                method,
                f"http://{host}:{self._port}{path}",
                data=orjson.dumps(body) if body is not None else None,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                status = response.status
                payload = await _read(response)
        except TimeoutError as error:
            raise DriverUnreachableError(f"{call}: no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise DriverUnreachableError(f"{call}: {str(error) or type(error).__name__}") from error
        if payload is None:
            raise DriverRefusedError(f"{call}: the answer is larger than {MAX_BODY} bytes", status=status)
        if status >= 500:
            raise DriverUnreachableError(f"{call}: {status} {_shown(payload)}")
        if status >= 300:
            raise DriverRefusedError(f"{call}: {status} {_shown(payload)}", status=status)
        return payload


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """The body; None when it is larger than it may be."""
    payload = bytearray()
    async for chunk in response.content.iter_any():
        payload += chunk
        if len(payload) > MAX_BODY:
            return None
    return bytes(payload)


def _shown(payload: bytes) -> str:
    """What the driver says is wrong, for a message."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        found = None
    text = found.get("error") if isinstance(found, dict) else None
    return str(text or payload.decode(errors="replace"))[:SHOWN]
