"""The operator's own calls to the Kubernetes API: status patches, events, reads of inputs.

kopf watches; it offers no calls in the middle of a daemon's life. This client logs in as kopf does (see
``login``) and holds one connection pool for all jobs.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import orjson

from .errors import ApiConflictError, ApiNotFoundError, ApiRefusedError, ApiUnreachableError
from .fence import Fence
from .login import connection_info, open_http
from .resource import API_VERSION, GROUP, KIND, PLURAL, VERSION

LOGGER = logging.getLogger(__name__)
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class KubeApi:
    """A thin edge: one method a call, JSON in and out. Every call raises an ApiError's child.

    timeout_s: seconds without a sign of the server until a call counts as failed. fence: raises where nothing may be
    changed any more. trace: sees every request.
    """

    def __init__(
        self, *, timeout_s: float, fence: Fence | None = None, trace: aiohttp.TraceConfig | None = None
    ) -> None:
        self._fence = fence
        self._trace = trace
        # Of the server, not of the queue: with a thousand new jobs calls wait for a connection, and none has failed.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._server = ""
        self._login_lock = asyncio.Lock()
        self._reachable = True

    async def __aenter__(self) -> Self:
        await self._login()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def patch_status(self, namespace: str, name: str, patch: Mapping[str, Any], *, version: str) -> str:
        """Merge ``patch`` into the status of a SparkIoTJob; its resource version after that.

        Raises ApiConflictError unless the object is still of resource version ``version``.
        """
        path = f"{_job_path(namespace, name)}/status"
        body = {"metadata": {"resourceVersion": version}, "status": patch}
        patched = await self._call("PATCH", path, body=body, content_type=MERGE_PATCH)
        return str(patched["metadata"]["resourceVersion"])

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete a SparkIoTJob, if it is still the one with this uid."""
        await self._call("DELETE", _job_path(namespace, name), body={"preconditions": {"uid": uid}})

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        await self._call("POST", f"/api/v1/namespaces/{namespace}/events", body=event)

    async def read_config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        """The text keys of a ConfigMap."""
        found = await self._call("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        data = found.get("data")
        return data if isinstance(data, dict) else {}

    async def list_jobs(self, namespace: str | None) -> list[dict[str, Any]]:
        """The SparkIoTJobs of a namespace, or of all of them."""
        scope = f"/namespaces/{namespace}" if namespace else ""
        found = await self._call("GET", f"/apis/{API_VERSION}{scope}/{PLURAL}")
        return list(found.get("items", []))

    async def read_job(self, namespace: str, name: str) -> dict[str, Any]:
        return await self._call("GET", _job_path(namespace, name))

    async def list_events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """The events on a SparkIoTJob, oldest first."""
        selector = quote(f"involvedObject.kind={KIND},involvedObject.name={name}")
        found = await self._call("GET", f"/api/v1/namespaces/{namespace}/events?fieldSelector={selector}")
        return sorted(found.get("items", []), key=lambda event: event.get("lastTimestamp") or "")

    async def list_pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """The pods that a label selector finds, as the API server has them now."""
        found = await self._call("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(selector)}")
        return list(found.get("items", []))

    async def read(self, path: str) -> dict[str, Any]:
        return await self._call("GET", path)

    async def create(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create one object in the collection at ``path``. Raises ApiConflictError when there is one of its name."""
        return await self._call("POST", path, body=manifest)

    async def replace(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Replace one object. Raises ApiConflictError unless it is still of the resource version in ``manifest``."""
        return await self._call("PUT", path, body=manifest)

    async def delete(self, path: str, *, uid: str | None = None, grace_s: int | None = None) -> None:
        """Delete one object, or a collection; one that is gone already is no error.

        uid: delete only that object of the name. grace_s: seconds that a pod gets to end.
        """
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        with contextlib.suppress(ApiNotFoundError):
            await self._call("DELETE", path, body=options)

    async def resizes_pods(self) -> bool:
        """Whether this cluster changes the resources of running pods in place."""
        found = await self._call("GET", "/api/v1")
        return any(r.get("name") == "pods/resize" for r in found.get("resources", []))

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None:
        """Server-side apply of one object at its path, as ``manager``."""
        query = f"fieldManager={quote(manager)}&force=true"
        await self._call("PATCH", f"{path}?{query}", body=manifest, content_type=APPLY_PATCH)

    async def check(self) -> None:
        """Whether the API server answers and knows SparkIoTJobs."""
        resources = await self._call("GET", f"/apis/{API_VERSION}")
        if not any(r.get("name") == PLURAL for r in resources.get("resources", [])):
            raise ApiNotFoundError(f"{self._server} does not serve {PLURAL}.{GROUP}")

    async def _call(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        for attempt in (1, 2):
            session = self._session or await self._login()
            try:
                async with session.request(
                    method,
                    self._server + path,
                    data=orjson.dumps(body) if body is not None else None,
                    headers={"Content-Type": content_type} if body is not None else None,
                    timeout=self._timeout,
                ) as response:
                    payload = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = str(error) or type(error).__name__
                self._notice(reachable=False, why=why)
                raise ApiUnreachableError(f"{method} {path}: no answer: {why}") from error
            self._notice(reachable=True)
            if response.status == 401 and attempt == 1:
                await self._login(stale=session)
                continue
            break
        return _answer(method, path, response.status, payload)

    def _notice(self, *, reachable: bool, why: str = "") -> None:
        """Log that the API server went or came back: once, not once a job and cycle."""
        if reachable == self._reachable:
            return
        self._reachable = reachable
        if reachable:
            LOGGER.info("%s answers again", self._server)
        else:
            LOGGER.warning("%s cannot be reached, jobs hold their allocation meanwhile: %s", self._server, why)

    async def _login(self, *, stale: aiohttp.ClientSession | None = None) -> aiohttp.ClientSession:
        """Open a session with fresh credentials, unless another call has already replaced the stale one."""
        async with self._login_lock:
            if self._session is not None and self._session is not stale:
                return self._session
            info = await asyncio.to_thread(connection_info)
            if self._session:
                await self._session.close()
            self._server = info.server.rstrip("/")
            self._session = open_http(info, fence=self._fence, trace=self._trace)
            return self._session


def _answer(method: str, path: str, status: int, payload: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(payload) if payload else {}
    except orjson.JSONDecodeError:
        body = {"message": payload[:200].decode(errors="replace")}
    if status < 400:
        return body if isinstance(body, dict) else {}
    message = f"{method} {path}: {status} {body.get('message', '') if isinstance(body, dict) else body}"
    if status == 404:
        raise ApiNotFoundError(message)
    if status == 409:
        raise ApiConflictError(message)
    if status == 429 or status >= 500:
        raise ApiUnreachableError(message)
    raise ApiRefusedError(message)


def _job_path(namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}"
