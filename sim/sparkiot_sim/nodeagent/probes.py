"""Probes of a container: HTTP, TCP or a command, tried in a rhythm until a threshold is met."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from sparkiot_sim.devcluster.errors import Obj

Exec = Callable[[list[str], float], Awaitable[int]]  # command, seconds -> exit code


class ProbeError(Exception):
    """A probe that failed; the message says how."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One probe of the manifest, with the defaults of Kubernetes."""

    spec: Obj
    host: str

    @property
    def period(self) -> float:
        return float(self.spec.get("periodSeconds") or 10)

    @property
    def timeout(self) -> float:
        return float(self.spec.get("timeoutSeconds") or 1)

    async def once(self, container: Obj, execute: Exec) -> None:
        """Raises ProbeError."""
        try:
            async with asyncio.timeout(self.timeout):
                await self._try(container, execute)
        except TimeoutError as error:
            raise ProbeError(f"no answer within {self.timeout:g} s") from error
        except (OSError, aiohttp.ClientError) as error:
            raise ProbeError(str(error) or type(error).__name__) from error

    async def _try(self, container: Obj, execute: Exec) -> None:
        if http := self.spec.get("httpGet"):
            scheme, path = http.get("scheme", "HTTP").lower(), http.get("path", "/")
            url = f"{scheme}://{http.get('host') or self.host}:{_port(http, container)}/{path.lstrip('/')}"
            headers = {item["name"]: item["value"] for item in http.get("httpHeaders") or ()}
            async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as answer:
                if not 200 <= answer.status < 400:
                    raise ProbeError(f"HTTP probe failed with statuscode: {answer.status}")
        elif tcp := self.spec.get("tcpSocket"):
            _, writer = await asyncio.open_connection(tcp.get("host") or self.host, _port(tcp, container))
            writer.close()
        elif command := (self.spec.get("exec") or {}).get("command"):
            if code := await execute(command, self.timeout):
                raise ProbeError(f"command ended with exit code {code}")
        else:
            raise ProbeError("this kind of probe is not supported by the embedded cluster")

    async def watch(self, container: Obj, execute: Exec, changed: Callable[[bool, str], None]) -> None:
        """Tells of each passed threshold: True for success, False with the reason; goes on until it is cancelled."""
        await asyncio.sleep(float(self.spec.get("initialDelaySeconds") or 0))
        needed = {True: self.spec.get("successThreshold") or 1, False: self.spec.get("failureThreshold") or 3}
        last, run = None, 0
        while True:
            result, why = True, ""
            try:
                await self.once(container, execute)
            except ProbeError as error:
                result, why = False, str(error)
            run = run + 1 if result == last else 1
            last = result
            if run >= needed[result]:
                changed(result, why)
            await asyncio.sleep(self.period)


def _port(target: Obj, container: Obj) -> int:
    port: Any = target.get("port")
    named = {item.get("name"): item.get("containerPort") for item in container.get("ports") or ()}
    try:
        return int(named.get(port, port))
    except (TypeError, ValueError) as error:
        raise ProbeError(f"port {port!r} is neither a number nor one of the container's") from error
