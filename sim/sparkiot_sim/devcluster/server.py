"""The embedded cluster as a whole: address, data folder, kubeconfig, start and stop."""

import asyncio
import base64
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from aiohttp import web

from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.api import Api
from sparkiot_sim.devcluster.app import Http
from sparkiot_sim.devcluster.errors import ClusterStartError, Obj
from sparkiot_sim.devcluster.expiry import EVENT_TTL_S, expire_events
from sparkiot_sim.devcluster.gc import collect
from sparkiot_sim.devcluster.identity import Identity, ServiceAccount, write_private
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.requests import RequestLog
from sparkiot_sim.devcluster.resources import CRDS, FIRST_NAMESPACES, NAMESPACES, SERVICE_ACCOUNTS
from sparkiot_sim.devcluster.store import Store

_ADDRESS = "127.0.0.1"  # never another one: this is no production cluster


@dataclass(frozen=True)
class DevCluster:
    """A running embedded cluster.

    url: `https://127.0.0.1:PORT`; identity: its certificate and the bearer token that every request needs;
    kubeconfig: the file that holds all of it, None when none was asked for; data: the folder that keeps it, or None;
    requests: what clients asked of its resources.
    """

    url: str
    identity: Identity
    kubeconfig: Path | None
    data: Path | None
    api: Api
    requests: RequestLog

    def service_account_token(self, namespace: str, name: str) -> str:
        """A bearer token of this service account, good for as long as the account is there. Raises ApiError 404."""
        accounts = self.api.registry.find("", "v1", SERVICE_ACCOUNTS.lstrip("/"))
        uid = self.api.get(accounts, (namespace, name))["metadata"]["uid"]
        return self.identity.service_account_token(ServiceAccount(namespace, name, uid))

    @staticmethod
    @contextlib.asynccontextmanager
    async def start(
        *,
        port: int = 0,
        data: Path | None = None,
        kubeconfig: Path | None = None,
        crds: Iterable[Obj] = (),
        audit_log: Path | None = None,
        event_ttl_s: float = EVENT_TTL_S,
    ) -> AsyncIterator["DevCluster"]:
        """Serves until the block ends. Port 0 takes a free one; without `data` objects live in memory only.

        audit_log: file to which every request on a resource is appended. event_ttl_s: seconds after its last write
        that an Event is kept. Raises ClusterStartError for a port in use,
        ClusterDataError for a data folder that is damaged or in use, ApiError for a CRD that is not valid, OSError for
        an audit log that cannot be written.
        """
        listener = _listen(port)
        with contextlib.ExitStack() as stack:
            stack.callback(listener.close)
            # Starting from the time keeps revisions growing over restarts without data: a client that resumes a
            # watch of the server's former life gets 410 and lists again, instead of waiting for ever.
            store = Store(data, first_revision=int(time.time()))
            stack.callback(store.close)
            api = Api(store=store, registry=Registry(store), clock=lambda: datetime.now(UTC))
            _furnish(api, crds)
            housekeeping = (
                asyncio.create_task(collect(api), name="devcluster-gc"),
                asyncio.create_task(expire_events(api, ttl_s=event_ttl_s), name="devcluster-expiry"),
            )
            identity = Identity.load_or_create(data)
            requests = RequestLog(audit_log)
            stack.callback(requests.close)
            url = f"https://{_ADDRESS}:{listener.getsockname()[1]}"
            runner = web.AppRunner(
                Http(api, identity, requests).application(),
                access_log=None,
                handler_cancellation=True,
                shutdown_timeout=0.5,
            )
            try:
                await runner.setup()
                await web.SockSite(runner, listener, ssl_context=identity.server_context()).start()
                if kubeconfig:
                    write_kubeconfig(kubeconfig, url, identity)
                yield DevCluster(url, identity, kubeconfig, data, api, requests)
            finally:
                await runner.cleanup()
                for task in housekeeping:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    @staticmethod
    def in_thread(
        *, port: int = 0, data: Path | None = None, kubeconfig: Path | None = None, crds: Iterable[Obj] = ()
    ) -> contextlib.AbstractContextManager["DevCluster"]:
        """The same from synchronous code."""
        return in_thread(DevCluster.start(port=port, data=data, kubeconfig=kubeconfig, crds=crds))


@contextlib.contextmanager
def in_thread(starting: contextlib.AbstractAsyncContextManager[DevCluster]) -> Iterator[DevCluster]:
    """A cluster in a thread and an event loop of its own, for the time of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="devcluster", daemon=True)
    thread.start()
    stack = contextlib.AsyncExitStack()
    try:
        yield asyncio.run_coroutine_threadsafe(stack.enter_async_context(starting), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_ADDRESS, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ClusterStartError(
            f"cannot listen on {_ADDRESS} port {port}: {error}; stop what uses it, or choose another port "
            "(0 takes a free one)"
        ) from error
    return listener


def _furnish(api: Api, crds: Iterable[Obj]) -> None:
    """The namespaces that every cluster has, and the given CRDs, replaced when they are there already."""
    options = WriteOptions(field_manager="sparkiot-dev")
    for name in FIRST_NAMESPACES:
        if api.store.get(NAMESPACES, ("", name)) is None:
            api.create(api.registry.find("", "v1", "namespaces"), "", {"metadata": {"name": name}}, options)
    for record in api.store.records(NAMESPACES):
        api.furnish(record.key[1])
    definitions = api.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    for crd in crds:
        key = ("", crd["metadata"]["name"])
        if api.store.get(CRDS, key) is None:
            api.create(definitions, "", crd, options)
        else:
            api.update(definitions, key, "", crd, options)


def write_kubeconfig(path: Path, url: str, identity: Identity) -> None:
    """A kubeconfig with one context; readable by the owner only, since it holds the token.

    Raises ClusterStartError when there is a file that this function did not write: it may be somebody's way into
    a real cluster.
    """
    name = "sparkiot-dev"
    if path.exists() and f"current-context: {name}\n" not in path.read_text(errors="replace"):
        raise ClusterStartError(f"refusing to overwrite {path}: it is not a kubeconfig of an embedded cluster")
    authority = base64.b64encode(identity.certificate.encode()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": identity.token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    write_private(path, yaml.safe_dump(content, sort_keys=False))
