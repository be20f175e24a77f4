"""API servers for the contract suite: the embedded one always, a real one when KUBECONFIG points to it.

The suite talks plain HTTP, so that it sees what a client sees: codes, reasons, order of watch events.
"""

import asyncio
import base64
import contextlib
import json
import os
import secrets
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Obj = dict[str, Any]

GROUP = "contract.sparkiot.dev"
CRD_NAME = f"gauges.{GROUP}"


def gauge_crd(*, with_rules: bool) -> Obj:
    """A CRD that uses every feature that the project's own one counts on."""
    bounds: Obj = {
        "type": "object",
        "properties": {
            "min": {"type": "integer", "minimum": 0, "default": 1},
            "max": {"type": "integer", "maximum": 100, "default": 10},
        },
    }
    spec: Obj = {
        "type": "object",
        "description": "What the gauge shall do.",
        "required": ["unit"],
        "properties": {
            "unit": {"type": "string", "minLength": 2, "description": "Unit of the value, for example rows/s."},
            "mode": {"type": "string", "enum": ["Active", "Paused"], "default": "Active"},
            "replicas": {"type": "integer", "minimum": 0, "description": "Wanted replicas."},
            "ratio": {"type": "number"},
            "bounds": {**bounds, "default": {}, "description": "Bounds of the value."},
            "port": {"x-kubernetes-int-or-string": True},
            "anything": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "channels": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "rate": {"type": "integer"}},
                },
            },
        },
    }
    if with_rules:
        spec["x-kubernetes-validations"] = [
            {
                "rule": "self.bounds.min <= self.bounds.max",
                "message": "min must not exceed max",
                "fieldPath": ".bounds",
            },
            {"rule": "self.unit == oldSelf.unit", "message": "unit is immutable"},
        ]
    status: Obj = {
        "type": "object",
        "properties": {
            "phase": {"type": "string"},
            "replicas": {"type": "integer"},
            "selector": {"type": "string"},
            "conditions": {
                "type": "array",
                "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
    }
    version: Obj = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": "A gauge, for tests.",
                "required": ["spec"],
                "properties": {"spec": spec, "status": status},
            }
        },
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
            {"name": "Max", "type": "integer", "jsonPath": ".spec.bounds.max"},
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Unit", "type": "string", "jsonPath": ".spec.unit", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD_NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "gauges", "singular": "gauge", "kind": "Gauge", "shortNames": ["gg"]},
            "versions": [version],
        },
    }


def gauge(name: str, **spec: Any) -> Obj:
    body = {"unit": "rows/s", **spec}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Gauge", "metadata": {"name": name}, "spec": body}


@dataclass(frozen=True)
class Answer:
    code: int
    body: Any
    warnings: tuple[str, ...] = ()

    def ok(self) -> Any:
        assert self.code < 300, self.body
        return self.body


@dataclass
class Server:
    """One API server as a test sees it; paths in `gauges` and `configmaps` lie in a namespace of the test run."""

    session: aiohttp.ClientSession
    url: str
    namespace: str
    minor: int
    path: str = field(init=False)

    def __post_init__(self) -> None:
        self.path = f"/apis/{GROUP}/v1/namespaces/{self.namespace}/gauges"

    @property
    def configmaps(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    async def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **query: Any
    ) -> Answer:
        accept = query.pop("accept", "application/json")
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        headers = {"Accept": accept} | ({"Content-Type": content_type} if data is not None else {})
        params = {name: str(value) for name, value in query.items()}
        async with self.session.request(method, self.url + path, data=data, headers=headers, params=params) as answer:
            content = await answer.read()
            parsed = json.loads(content) if "json" in answer.content_type else content.decode()
            return Answer(answer.status, parsed, tuple(answer.headers.getall("Warning", [])))

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.request("GET", path, **query)

    async def create(self, path: str, body: Any, **query: Any) -> Answer:
        return await self.request("POST", path, body, **query)

    async def patch(self, path: str, body: Any, kind: str = "merge-patch+json", **query: Any) -> Answer:
        return await self.request("PATCH", path, body, content_type=f"application/{kind}", **query)

    async def apply(self, path: str, body: Any, manager: str, **query: Any) -> Answer:
        return await self.patch(path, body, "apply-patch+yaml", fieldManager=manager, **query)

    async def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return await self.request("DELETE", path, body, **query)

    async def events(self, path: str, *, stop_after: int | None = None, seconds: int = 20, **query: Any) -> list[Obj]:
        """Watch events, until there are `stop_after` of them or `seconds` are over."""
        query = {"watch": "true", "timeoutSeconds": seconds, **query}
        params = {name: str(value) for name, value in query.items()}
        found: list[Obj] = []
        async with self.session.get(self.url + path, params=params) as answer:
            if answer.status != 200:
                return [{"type": "ERROR", "object": await answer.json()}]
            async for line in answer.content:
                found.append(json.loads(line))
                if len(found) == stop_after:
                    break
        return found

    async def until_gone(self, path: str, seconds: float = 60) -> None:
        """Waits for a 404; garbage collection has no promised time."""
        async with asyncio.timeout(seconds):
            while (await self.get(path)).code != 404:  # noqa: ASYNC110 the condition is on a server
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[Server]:
    """A server with a fresh namespace and the test's CRD; both are deleted at the end."""
    config = await asyncio.to_thread(lambda: yaml.safe_load(kubeconfig.read_text()))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    connector = aiohttp.TCPConnector(ssl=_tls(cluster, user), limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        namespace = f"contract-{secrets.token_hex(4)}"
        version = await (await session.get(f"{cluster['server']}/version")).json(content_type=None)
        minor = int(version["minor"].rstrip("+"))
        server = Server(session, cluster["server"], namespace, minor)
        await server.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        await server.delete(f"{crds}/{CRD_NAME}")
        await server.until_gone(f"{crds}/{CRD_NAME}")
        (await server.create(crds, gauge_crd(with_rules=minor >= 25))).ok()
        try:
            async with asyncio.timeout(30):
                # A real server answers 404 until the CRD is established, and then for a moment refuses writes.
                while (await server.create(server.path, gauge("probe"), dryRun="All")).code >= 300:  # noqa: ASYNC110 the condition is on a server
                    await asyncio.sleep(0.1)
            yield server
        finally:
            await server.delete(f"{crds}/{CRD_NAME}")
            await server.delete(f"/api/v1/namespaces/{namespace}")


def _tls(cluster: Obj, user: Obj) -> ssl.SSLContext:
    authority = _content(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _content(user, "client-certificate"), _content(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile() as chain:
            chain.write(certificate + b"\n" + key)
            chain.flush()
            context.load_cert_chain(chain.name)
    return context


def _content(section: Obj, name: str) -> bytes | None:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"])
    return Path(section[name]).read_bytes() if name in section else None


def real_kubeconfig() -> Path | None:
    """The cluster that the environment names, if it does."""
    named = os.environ.get("KUBECONFIG")
    return Path(named) if named else None
