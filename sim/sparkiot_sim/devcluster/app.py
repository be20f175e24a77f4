"""HTTP in front of the API: authentication, paths, content types, and each verb's request and response."""

import hmac
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import yaml
from aiohttp import web

from sparkiot_sim.devcluster import admission, discovery, scale
from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.api import Api, Selection
from sparkiot_sim.devcluster.errors import (
    ApiError,
    Obj,
    bad_request,
    method_not_allowed,
    no_such_path,
    unsupported_media_type,
)
from sparkiot_sim.devcluster.patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from sparkiot_sim.devcluster.resources import Resource
from sparkiot_sim.devcluster.store import Record
from sparkiot_sim.devcluster.tables import table
from sparkiot_sim.devcluster.watch import DEFAULT_SECONDS, WatchOptions, watch

log = logging.getLogger(__name__)

BODY_LIMIT = 3 * 1024 * 1024  # bytes, the limit of Kubernetes' API server
_PUBLIC = ("/healthz", "/livez", "/readyz")
_LOOPBACK_HOST = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_JSON = "application/json"
_BODY_TYPES = (
    _JSON,
    "application/yaml",
    "application/octet-stream",
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    APPLY_PATCH,
)


@dataclass(frozen=True)
class Target:
    """What a path points to; namespace None on a namespaced resource means all namespaces."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str


class _YamlLoader(yaml.SafeLoader):
    """YAML as JSON's types: a date stays the text that it is."""


_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Http:
    """The aiohttp application of one server; requests need `token` as their bearer token."""

    def __init__(self, api: Api, token: str) -> None:
        self._api = api
        self._expected = f"Bearer {token}".encode()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=BODY_LIMIT)
        for path in _PUBLIC:
            app.router.add_get(path, _healthy)
        registry = self._api.registry
        for path, answer in (
            ("/version", lambda: discovery.VERSION),
            ("/api", lambda: {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
            ("/apis", lambda: discovery.group_list(registry)),
            ("/openapi/v3", lambda: discovery.openapi_index(registry)),
        ):
            app.router.add_get(path, _answer(answer))
        app.router.add_get("/apis/{group}", self._discover_group)
        app.router.add_get("/openapi/v3/api/{version}", self._openapi)
        app.router.add_get("/openapi/v3/apis/{group}/{version}", self._openapi)
        app.router.add_route("*", "/{path:.*}", self._resource)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Turns strangers away and errors into Status objects."""
        try:
            self._authenticate(request)
            return await handler(request)
        except ApiError as error:
            return _json(error.status(), status=error.code)
        except web.HTTPRequestEntityTooLarge:
            too_large = ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {BODY_LIMIT}")
            return _json(too_large.status(), status=413)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path_qs)
            internal = ApiError(500, "InternalError", "Internal error occurred: see the log of the embedded cluster")
            return _json(internal.status(), status=500)

    def _authenticate(self, request: web.Request) -> None:
        # A page in a browser can point its own host name at 127.0.0.1, but cannot change the Host header.
        if not _LOOPBACK_HOST.fullmatch(request.host):
            raise ApiError(403, "Forbidden", f"the Host header {request.host!r} is not a loopback address")
        given = request.headers.get("Authorization", "").encode()
        if request.path not in _PUBLIC and not hmac.compare_digest(given, self._expected):
            raise ApiError(401, "Unauthorized", "Unauthorized: use the token in the kubeconfig of this cluster")

    async def _discover_group(self, request: web.Request) -> web.Response:
        return _json(discovery.group(self._api.registry, request.match_info["group"]))

    async def _openapi(self, request: web.Request) -> web.Response:
        match = request.match_info
        return _json(discovery.openapi(self._api.registry, match.get("group", ""), match["version"]))

    async def _resource(self, request: web.Request) -> web.StreamResponse:
        root, *parts = request.path.strip("/").split("/")
        if root == "api":
            parts.insert(0, "")
        if root not in ("api", "apis") or len(parts) < 2:
            raise no_such_path()
        group, version, *rest = parts
        if not rest:
            return _json(discovery.resource_list(self._api.registry, group, version))
        target = self._target(group, version, rest)
        if request.method == "GET":
            return await self._read(request, target)
        on_object = {"PUT": self._update, "PATCH": self._patch, "DELETE": self._delete}
        on_collection = {"POST": self._create, "DELETE": self._delete}
        handler = (on_object if target.name else on_collection).get(request.method)
        if handler is None or (request.method == "DELETE" and target.subresource):
            raise method_not_allowed()
        return await handler(request, target)

    async def _read(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.name:
            return self._get(request, target)
        if "list" not in target.resource.verbs:
            raise method_not_allowed()
        if request.query.get("watch", "") in ("true", "1"):
            return await self._watch(request, target)
        return self._list(request, target)

    def _target(self, group: str, version: str, rest: list[str]) -> Target:
        namespace = None
        if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] != "status":
            namespace, rest = rest[1], rest[2:]
        resource = self._api.registry.find(group, version, rest[0])
        name = rest[1] if len(rest) > 1 else None
        subresource = rest[2] if len(rest) > 2 else ""
        if resource is None or len(rest) > 3:
            raise no_such_path()
        served = {"": True, "status": resource.has_status, "scale": resource.scale is not None}
        misplaced = not resource.namespaced if namespace else resource.namespaced and name
        if misplaced or not served.get(subresource):
            raise no_such_path()
        return Target(resource, namespace, name, subresource)

    def _get(self, request: web.Request, target: Target) -> web.Response:
        obj = self._api.get(target.resource, (target.namespace or "", target.name or ""), target.subresource)
        include = _table_rows(request)
        if include is not None and not target.subresource:
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            return _json(table(target.resource, [obj], meta, self._api.time(), include=include))
        return _json(obj)

    def _list(self, request: web.Request, target: Target) -> web.Response:
        resource = target.resource
        records = self._api.select(resource, _selection(request, target))
        meta = {"resourceVersion": str(self._api.store.revision)}
        include = _table_rows(request)
        if include is not None:
            rows = [resource.view(record.load()) for record in records]
            return _json(table(resource, rows, meta, self._api.time(), include=include))
        return _json(_list_of(resource, records, meta))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        given = request.query.get("resourceVersion", "")
        initial = request.query.get("sendInitialEvents")
        since = _integer(request, "resourceVersion") if given not in ("", "0") else None
        if initial == "false" and since is None:
            since = self._api.store.revision
        options = WatchOptions(
            selection=_selection(request, target),
            since=None if initial == "true" else since,
            initial_end=initial == "true",
            bookmarks=request.query.get("allowWatchBookmarks") in ("true", "1"),
            seconds=float(_integer(request, "timeoutSeconds") or DEFAULT_SECONDS),
            table=_table_rows(request),
        )
        events = watch(self._api, target.resource, options)
        first = await anext(events)
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        await response.prepare(request)
        await response.write(first)
        try:
            async for chunk in events:
                await response.write(chunk)
        except ConnectionResetError:
            log.debug("watch of %s: the client has gone", target.resource.plural)
        finally:
            await events.aclose()
        return response

    async def _create(self, request: web.Request, target: Target) -> web.Response:
        if target.resource.namespaced and target.namespace is None:
            raise method_not_allowed()
        options = _write_options(request)
        obj = self._api.create(target.resource, target.namespace or "", await _body(request), options)
        return _json(obj, status=201, warnings=options.warnings)

    async def _update(self, request: web.Request, target: Target) -> web.Response:
        options = _write_options(request)
        key = (target.namespace or "", target.name or "")
        obj = self._api.update(target.resource, key, target.subresource, await _body(request), options)
        return _json(self._shown(target, obj), warnings=options.warnings)

    async def _patch(self, request: web.Request, target: Target) -> web.Response:
        options = _write_options(request)
        if request.content_type == APPLY_PATCH and "fieldManager" not in request.query:
            raise bad_request("fieldManager is required for apply patch")
        key = (target.namespace or "", target.name or "")
        body = await _body(request)
        obj, created = self._api.patch(
            target.resource, key, target.subresource, body, options, content_type=request.content_type
        )
        return _json(self._shown(target, obj), status=201 if created else 200, warnings=options.warnings)

    def _shown(self, target: Target, obj: Obj) -> Obj:
        return scale.read(target.resource, obj) if target.subresource == "scale" else obj

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        options = admission.delete_options(await _body(request) if request.can_read_body else None)
        for name in ("propagationPolicy", "dryRun", "orphanDependents"):
            if name in request.query:
                options.setdefault(name, request.query[name])
        if target.name:
            return _json(self._api.delete(target.resource, (target.namespace or "", target.name), options))
        deleted = self._api.delete_collection(target.resource, _selection(request, target), options)
        meta = {"resourceVersion": str(self._api.store.revision)}
        return _json(_list_of(target.resource, deleted, meta))


def _list_of(resource: Resource, records: list[Record], meta: Obj) -> Obj:
    items = [resource.view(record.load()) for record in records]
    return {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta, "items": items}


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


def _answer(body: Callable[[], Obj]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_request: web.Request) -> web.Response:
        return _json(body())

    return handler


def _json(
    body: Any, *, status: int = 200, content_type: str = _JSON, warnings: list[str] | None = None
) -> web.Response:
    response = web.Response(body=orjson.dumps(body), status=status, headers={"Content-Type": content_type})
    for text in warnings or ():
        response.headers.add("Warning", f"299 - {orjson.dumps(text).decode()}")
    return response


def _selection(request: web.Request, target: Target) -> Selection:
    return Selection(
        namespace=target.namespace if target.resource.namespaced else None,
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
        force=query.get("force") in ("true", "1"),
    )


def _integer(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise bad_request(f"Invalid value: {text!r}: {name} must be a non-negative integer")
    return int(text)


def _table_rows(request: web.Request) -> str | None:
    """What the rows of the wanted Table carry, None when the client wants plain objects."""
    accepted = request.headers.get("Accept", "")
    if accepted and not re.search(r"application/json|application/\*|\*/\*", accepted):
        raise ApiError(406, "NotAcceptable", f"only the following media types are accepted: {_JSON}")
    wants_table = any("as=Table" in media and "v=v1;" in f"{media};" for media in accepted.split(","))
    return request.query.get("includeObject", "Metadata") if wants_table else None


async def _body(request: web.Request) -> Any:
    content = await request.read()
    if not content:
        return None
    if request.content_type == "application/vnd.kubernetes.protobuf":
        raise ApiError(
            415,
            "UnsupportedMediaType",
            "the embedded cluster does not read protobuf, which `kubectl create` sends for built-in kinds: use kubectl "
            "apply -f, or add --dry-run=client -o yaml | kubectl apply -f -",
        )
    if request.content_type not in _BODY_TYPES:
        raise unsupported_media_type(request.content_type, _BODY_TYPES)
    try:
        return orjson.loads(content)
    except ValueError as error:
        if "yaml" not in request.content_type:
            raise bad_request(f"the body of the request is not JSON: {error}") from error
    try:
        return yaml.load(content, Loader=_YamlLoader)  # noqa: S506 a SafeLoader without dates
    except yaml.YAMLError as error:
        raise bad_request(f"the body of the request is not YAML: {error}") from error
