"""The operator's own calls to the Kubernetes API: status patches, events, reads of inputs.

kopf watches; it offers no calls in the middle of a daemon's life. This client shares kopf's way of logging in (service
account, kubeconfig, credential plugins) and holds one connection pool for all jobs.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import kopf
import orjson
import yaml
from kubernetes import config as kube_config

from .errors import ApiNotFoundError, ApiRefusedError, ApiUnreachableError, KubeconfigError
from .resource import API_VERSION, GROUP, KIND, PLURAL, VERSION

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class KubeApi:
    """A thin edge: one method a call, JSON in and out. Every call raises an ApiError's child.

    timeout_s: seconds until a call counts as failed.
    """

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._server = ""
        self._login_lock = asyncio.Lock()
        self.writes = 0

    async def __aenter__(self) -> Self:
        await self._login()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def patch_status(self, namespace: str, name: str, patch: Mapping[str, Any]) -> None:
        """Merge ``patch`` into the status of a SparkIoTJob."""
        path = f"{_job_path(namespace, name)}/status"
        await self._call("PATCH", path, body={"status": patch}, content_type=MERGE_PATCH)
        self.writes += 1

    async def delete_job(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete a SparkIoTJob, if it is still the one with this uid."""
        await self._call("DELETE", _job_path(namespace, name), body={"preconditions": {"uid": uid}})
        self.writes += 1

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        await self._call("POST", f"/api/v1/namespaces/{namespace}/events", body=event)
        self.writes += 1

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

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None:
        """Server-side apply of one object at its path, as ``manager``."""
        query = f"fieldManager={quote(manager)}&force=true"
        await self._call("PATCH", f"{path}?{query}", body=manifest, content_type=APPLY_PATCH)
        self.writes += 1

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
                ) as response:
                    payload = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise ApiUnreachableError(f"{method} {path}: {self._server} gave no answer: {error!r}") from error
            if response.status == 401 and attempt == 1:
                await self._login(stale=session)
                continue
            break
        return _answer(method, path, response.status, payload)

    async def _login(self, *, stale: aiohttp.ClientSession | None = None) -> aiohttp.ClientSession:
        """Open a session with fresh credentials, unless another call has already replaced the stale one."""
        async with self._login_lock:
            if self._session is not None and self._session is not stale:
                return self._session
            info = await asyncio.to_thread(connection_info)
            if self._session:
                await self._session.close()
            self._server = info.server.rstrip("/")
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                headers={"User-Agent": "sparkiot-operator", "Accept": "application/json", **info.as_http_headers()},
                connector=aiohttp.TCPConnector(ssl=info.as_ssl_context()),
                trust_env=True,
            )
            return self._session


def connection_info() -> kopf.ConnectionInfo:
    """How to reach the cluster. Raises KubeconfigError that says what was looked for and what to do."""
    if not SERVICE_ACCOUNT_TOKEN.exists():
        _check_kubeconfig(os.environ.get("KUBECONFIG") or "~/.kube/config")
    try:
        info = kopf.login_via_client(logger=logging.getLogger(__name__), settings=kopf.OperatorSettings())
    except kopf.LoginError as error:
        raise KubeconfigError(f"no usable cluster credentials: {error}; set KUBECONFIG or --kubeconfig") from error
    if info is None:
        raise KubeconfigError("the kubernetes package, which reads kubeconfigs, is not installed")
    return info


def _check_kubeconfig(paths: str) -> None:
    """The client library's own messages do not name the file; so look first."""
    files = [Path(p).expanduser() for p in paths.split(os.pathsep) if p]
    present = [file for file in files if file.exists()]
    if not present:
        raise KubeconfigError(
            f"kubeconfig {', '.join(map(str, files))} does not exist; set KUBECONFIG or --kubeconfig, or start a "
            "cluster on this machine with `sparkiot dev`"
        )
    for file in present:
        try:
            loaded = yaml.safe_load(file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise KubeconfigError(f"kubeconfig {file} cannot be read: {error}") from error
        except yaml.YAMLError as error:
            raise KubeconfigError(f"kubeconfig {file} is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(loaded, dict) or not loaded.get("clusters"):
            raise KubeconfigError(f"kubeconfig {file} names no cluster")
    try:
        kube_config.load_kube_config(config_file=paths)  # type: ignore[no-untyped-call]  # the package has no types
    except (kube_config.ConfigException, ValueError, OSError) as error:
        raise KubeconfigError(f"kubeconfig {paths} cannot be used: {error}") from error


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
    if status == 429 or status >= 500:
        raise ApiUnreachableError(message)
    raise ApiRefusedError(message)


def _job_path(namespace: str, name: str) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}"
