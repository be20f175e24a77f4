"""HTTP in front of the API: authentication, paths, content types, and each verb's request and response."""

import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from sparkiot_sim.devcluster import admission, discovery, podlogs, streams
from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.api import Api, Selection
from sparkiot_sim.devcluster.bodies import BODY_LIMIT, read_body
from sparkiot_sim.devcluster.errors import ApiError, Obj, bad_request, method_not_allowed
from sparkiot_sim.devcluster.escalation import check_grant
from sparkiot_sim.devcluster.identity import Identity
from sparkiot_sim.devcluster.patches import APPLY_PATCH
from sparkiot_sim.devcluster.paths import TRUE, Target, target
from sparkiot_sim.devcluster.rbac import ADMIN, Access, User, authorize
from sparkiot_sim.devcluster.requests import RequestLog, RequestRecord
from sparkiot_sim.devcluster.resources import SERVICE_ACCOUNTS, Resource
from sparkiot_sim.devcluster.store import Record
from sparkiot_sim.devcluster.tables import table
from sparkiot_sim.devcluster.watch import DEFAULT_SECONDS, WatchOptions, watch

log = logging.getLogger(__name__)

MOST_INTEGER = 2**63 - 1
_PUBLIC = ("/healthz", "/livez", "/readyz")
_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1)(:\d+)?", re.IGNORECASE)
_USER, _ACCESS = web.RequestKey("user", User), web.RequestKey("access", Access)
_RECEIVED = web.RequestKey("received", datetime)


class Http:
    """The aiohttp application of one server.

    A request needs a bearer token of `identity`: its own, which may do everything, or that of a service account, which
    may do what roles grant. Requests on resources are noted in `requests`.
    """

    def __init__(self, api: Api, identity: Identity, requests: RequestLog) -> None:
        self._api = api
        self._identity = identity
        self._requests = requests

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Turns strangers away and errors into Status objects."""
        request[_RECEIVED] = self._api.time()
        try:
            self._authenticate(request)
            response = await handler(request)
        except ApiError as error:
            refusal = error
        except web.HTTPRequestEntityTooLarge:
            refusal = ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {BODY_LIMIT}")
        except web.HTTPClientError as error:  # such as a WebSocket's handshake that is none
            refusal = ApiError(error.status, error.reason.title().replace(" ", ""), error.text or error.reason)
        except Exception:
            log.exception("%s %s failed", request.method, request.path_qs)
            refusal = ApiError(500, "InternalError", "Internal error occurred: see the log of the embedded cluster")
        else:
            self._note(request, response.status)
            return response
        self._note(request, refusal.code)
        return _json(refusal.status(), status=refusal.code)

    def _note(self, request: web.Request, code: int) -> None:
        """Once for each request on a resource; a stream is noted when it starts."""
        if access := request.pop(_ACCESS, None):
            agent = request.headers.get("User-Agent", "")
            self._requests.add(RequestRecord(request[_USER].name, agent, access, code, request[_RECEIVED]))

    def _authenticate(self, request: web.Request) -> None:
        # A page in a browser can point its own host name at 127.0.0.1, but cannot change the Host header.
        if not _LOOPBACK_HOST.fullmatch(request.host):
            raise ApiError(403, "Forbidden", f"the Host header {request.host!r} is not a loopback address")
        if request.path in _PUBLIC:
            return
        user = self._user(_bearer_token(request.headers.get("Authorization", "")))
        if user is None:
            raise ApiError(401, "Unauthorized", "Unauthorized: use the token in the kubeconfig of this cluster")
        request[_USER] = user

    def _user(self, token: str) -> User | None:
        if self._identity.is_admin(token):
            return ADMIN
        account = self._identity.service_account_of(token)
        record = account and self._api.store.get(SERVICE_ACCOUNTS, (account.namespace, account.name))
        if account is None or not record or record.uid != account.uid:
            return None
        return User.service_account(account.namespace, account.name)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in _PUBLIC:
            return web.Response(text="ok")
        about_server = discovery.document(self._api.registry, request.path)
        if about_server is not None:
            return _json(about_server)
        aim = target(self._api.registry, request.path)
        request[_ACCESS] = access = aim.access(request)
        authorize(self._api.store, request[_USER], access)
        verbs = {"GET": self._read, "POST": self._create, "PUT": self._write, "PATCH": self._write}
        handler = (verbs | {"DELETE": self._delete}).get(request.method)
        on_objects = {"POST": False, "PUT": True, "PATCH": True}.get(request.method, bool(aim.name))
        if handler is None or on_objects != bool(aim.name) or (aim.subresource == "log" and request.method != "GET"):
            raise method_not_allowed()
        return await handler(request, aim)

    async def _read(self, request: web.Request, target: Target) -> web.StreamResponse:
        resource, rows = target.resource, _table_rows(request)
        if target.subresource == "log":
            return await self._log(request, target)
        if target.name:
            obj = self._api.get(resource, target.key, target.subresource)
            if rows is None or target.subresource:
                return _json(obj)
            objects, meta = [obj], {"resourceVersion": obj["metadata"]["resourceVersion"]}
        elif request.query.get("watch") in TRUE:
            return await self._watch(request, target)
        else:
            listed = self._list_of(resource, self._api.select(resource, _selection(request, target)))
            if rows is None:
                return _json(listed)
            objects, meta = listed["items"], listed["metadata"]
        return _json(table(resource, objects, meta, self._api.time(), include=rows))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        initial = request.query.get("sendInitialEvents")
        since = _integer(request, "resourceVersion") or None
        if initial == "false" and since is None:
            since = self._api.store.revision
        options = WatchOptions(
            selection=_selection(request, target),
            since=None if initial == "true" else since,
            initial_end=initial == "true",
            bookmarks=request.query.get("allowWatchBookmarks") in TRUE,
            seconds=float(_integer(request, "timeoutSeconds") or DEFAULT_SECONDS),
            table=_table_rows(request),
        )
        async with aclosing(watch(self._api, target.resource, options)) as events:
            first = await anext(events)
            if streams.is_websocket(request):
                self._note(request, 101)
                return await streams.websocket(request, first, events)
            self._note(request, 200)
            return await streams.stream(request, first, events, content_type="application/json")

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        pod = self._api.get(target.resource, target.key)
        options = podlogs.log_options(pod, request.query)
        if self._api.node is None:
            raise podlogs.unavailable()
        self._note(request, 200)
        return await streams.stream(request, b"", self._api.node.log(pod, options), content_type="text/plain")

    async def _create(self, request: web.Request, target: Target) -> web.Response:
        if target.resource.namespaced and not target.namespace:
            raise method_not_allowed()
        options = _write_options(request)
        body = await _body(request)
        self._check_grant(request, body)
        obj = self._api.create(target.resource, target.namespace, body, options)
        return _json(obj, status=201, warnings=options.warnings)

    async def _write(self, request: web.Request, target: Target) -> web.Response:
        """PUT and PATCH."""
        options, created = _write_options(request), False
        where = (target.resource, target.key, target.subresource)
        body = await _body(request)
        self._check_grant(request, body)
        if request.method == "PUT":
            obj = self._api.update(*where, body, options)
        elif request.content_type == APPLY_PATCH and "fieldManager" not in request.query:
            raise bad_request("fieldManager is required for apply patch")
        else:
            fresh = not target.subresource and self._api.store.get(target.resource.storage, target.key) is None
            if fresh and request.content_type == APPLY_PATCH:
                # As in Kubernetes, an apply that creates needs both verbs, and is logged as a patch all the same.
                authorize(self._api.store, request[_USER], replace(request[_ACCESS], verb="create"))
            obj, created = self._api.patch(*where, body, options, content_type=request.content_type)
        return _json(obj, status=201 if created else 200, warnings=options.warnings)

    def _check_grant(self, request: web.Request, body: Any) -> None:
        if isinstance(body, dict):
            check_grant(self._api.store, request[_USER], request[_ACCESS], body)

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        if target.subresource:
            raise method_not_allowed()
        options = admission.delete_options(await _body(request) if request.can_read_body else None)
        for name in ("propagationPolicy", "dryRun"):
            if name in request.query:
                options.setdefault(name, request.query[name])
        if "gracePeriodSeconds" in request.query:
            options.setdefault("gracePeriodSeconds", _integer(request, "gracePeriodSeconds"))
        if target.name:
            return _json(self._api.delete(target.resource, target.key, options))
        deleted = self._api.delete_collection(target.resource, _selection(request, target), options)
        return _json(self._list_of(target.resource, deleted))

    def _list_of(self, resource: Resource, records: list[Record]) -> Obj:
        return {
            "kind": resource.list_kind,
            "apiVersion": resource.api_version,
            "metadata": {"resourceVersion": str(self._api.store.revision)},
            "items": [resource.view(record.load()) for record in records],
        }


def _json(body: Obj, *, status: int = 200, warnings: list[str] | None = None) -> web.Response:
    response = web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
    for text in warnings or ():
        response.headers.add("Warning", f"299 - {orjson.dumps(text).decode()}")
    return response


def _selection(request: web.Request, target: Target) -> Selection:
    return Selection(
        namespace=target.namespace or None,
        labels=request.query.get("labelSelector", ""),
        fields=request.query.get("fieldSelector", ""),
    )


def _write_options(request: web.Request) -> WriteOptions:
    query = request.query
    if query.get("dryRun", "All") != "All":
        raise bad_request(f"Invalid value: {query['dryRun']!r}: dryRun must be All")
    validation = query.get("fieldValidation") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise bad_request(f"Invalid value: {validation!r}: fieldValidation must be Strict, Warn or Ignore")
    agent = request.headers.get("User-Agent", "").partition("/")[0]
    return WriteOptions(
        dry_run="dryRun" in query,
        field_manager=query.get("fieldManager") or agent or "unknown",
        field_validation=validation,
        force=query.get("force") in TRUE,
    )


def _bearer_token(header: str) -> str:
    """Of an Authorization header; empty for another scheme, whose name may be written in any case (RFC 9110)."""
    scheme, _, token = header.partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _integer(request: web.Request, name: str) -> int:
    text = request.query.get(name) or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > MOST_INTEGER:
        raise bad_request(f"Invalid value: {text[:40]!r}: {name} must be a non-negative integer of 64 bits")
    return int(text)


def _table_rows(request: web.Request) -> str | None:
    """What the rows of the wanted Table carry, None when the client wants plain objects."""
    accepted = request.headers.get("Accept", "").split(",")
    wants_table = any("as=Table" in media and "v=v1;" in f"{media};" for media in accepted)
    return request.query.get("includeObject", "Metadata") if wants_table else None


async def _body(request: web.Request) -> Any:
    return read_body(await request.read(), request.content_type)
