"""A watch as a stream of JSON lines."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime

import orjson

from sparkiot_sim.devcluster.api import Api, Selection
from sparkiot_sim.devcluster.errors import ApiError, Obj
from sparkiot_sim.devcluster.resources import Resource
from sparkiot_sim.devcluster.store import Change, Record, Subscription
from sparkiot_sim.devcluster.tables import table

BOOKMARK_SECONDS = 60.0
DEFAULT_SECONDS = 1800.0  # Kubernetes ends a watch after 30 to 60 minutes; clients start the next one
_END_OF_INITIAL = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """`since` None: synthetic ADDED events for what exists, then changes; else changes after that revision.

    `initial_end` marks the end of the synthetic events with an annotated bookmark (`sendInitialEvents=true`);
    `table` is None, or which objects the rows of a Table carry.
    """

    selection: Selection
    since: int | None = None
    initial_end: bool = False
    bookmarks: bool = False
    seconds: float = DEFAULT_SECONDS
    table: str | None = None


async def watch(api: Api, resource: Resource, options: WatchOptions) -> AsyncGenerator[bytes]:
    """Chunks of whole lines, until the time is over or the reader is too far behind.

    Raises ApiError 400 before the first chunk for a bad selector; 410 is an ERROR event, as in Kubernetes.
    """
    matches = options.selection.test(resource)
    encoder = _Encoder(resource, options.table, api.time)
    try:
        if options.since is None:
            existing = [rec for rec in api.store.records(resource.storage, options.selection.namespace) if matches(rec)]
            subscription = api.store.subscribe(resource.storage, None)
        else:
            existing = []
            subscription = api.store.subscribe(resource.storage, options.since)
    except ApiError as error:
        yield _line("ERROR", orjson.dumps(error.status()))
        return
    revision = api.store.revision if options.since is None else options.since
    try:
        chunks = [encoder.event("ADDED", record.load()) for record in existing]
        if options.initial_end:
            chunks.append(encoder.bookmark(revision, _END_OF_INITIAL))
        yield b"".join(chunks)
        async for chunk in _follow(api, subscription, options, encoder, matches):
            yield chunk
    finally:
        api.store.unsubscribe(resource.storage, subscription)


async def _follow(
    api: Api,
    subscription: Subscription,
    options: WatchOptions,
    encoder: "_Encoder",
    matches: Callable[[Record], bool],
) -> AsyncGenerator[bytes]:
    clock = asyncio.get_running_loop().time
    deadline, bookmark_at = clock() + options.seconds, clock() + BOOKMARK_SECONDS
    while clock() < deadline:
        if await subscription.wait(min(deadline, bookmark_at) - clock()):
            pending = list(subscription.pending)
            subscription.pending.clear()
            chunk = b"".join(encoder.change(change, matches) for change in pending)
            if chunk:
                yield chunk
            if subscription.overflowed:
                error = ApiError(410, "Expired", "too old resource version: the reader is too far behind")
                yield _line("ERROR", orjson.dumps(error.status()))
                return
        if options.bookmarks and clock() >= min(bookmark_at, deadline):
            bookmark_at = clock() + BOOKMARK_SECONDS
            # Nothing is pending here and nothing awaits in between: the reader has seen all up to this revision.
            if not subscription.pending:
                yield encoder.bookmark(api.store.revision, {})


def _line(kind: str, obj: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), obj)


class _Encoder:
    """Events in one reader's form; the bytes of a change are shared with readers of the same form."""

    def __init__(self, resource: Resource, include: str | None, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._resource = resource
        self._include = include
        self._header = True

    def change(self, change: Change, matches: Callable[[Record], bool]) -> bytes:
        was = change.before is not None and matches(change.before)
        now = not change.removed and matches(change.record)
        if not was and not now:
            return b""
        kind = "DELETED" if not now else "MODIFIED" if was else "ADDED"
        if kind == "DELETED" and not change.removed and change.before:
            left = change.before.load()  # it left the selection: its last matching state, at this revision
            left["metadata"]["resourceVersion"] = str(change.revision)
            return self.event(kind, left)
        if self._include is not None and self._header:
            return self.event(kind, change.record.load())
        form = (kind, self._resource.api_version, self._include)
        if form not in change.encoded:
            change.encoded[form] = self.event(kind, change.record.load())
        return change.encoded[form]

    def event(self, kind: str, stored: Obj) -> bytes:
        return _line(kind, orjson.dumps(self._form(self._resource.view(stored))))

    def bookmark(self, revision: int, annotations: dict[str, str]) -> bytes:
        meta: Obj = {"name": "", "resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        obj: Obj = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": meta}
        if self._include is not None:
            # A bookmark has no cells to compute, only the metadata that says where the reader is.
            obj = table(self._resource, [], {"resourceVersion": str(revision)}, self._clock(), header=self._header)
            partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
            obj["rows"] = [{"cells": [None] * (len(self._resource.columns) + 1), "object": partial}]
        return _line("BOOKMARK", orjson.dumps(obj))

    def _form(self, obj: Obj) -> Obj:
        if self._include is None:
            return obj
        meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        form = table(self._resource, [obj], meta, self._clock(), include=self._include, header=self._header)
        self._header = False
        return form
