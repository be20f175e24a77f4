"""A watch as a stream of JSON lines."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass

import orjson

from sparkiot_sim.devcluster.api import Api, Selection
from sparkiot_sim.devcluster.errors import ApiError, Obj
from sparkiot_sim.devcluster.resources import Resource
from sparkiot_sim.devcluster.store import Change, Record
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

    def event(kind: str, obj: Obj) -> bytes:
        shown = resource.view(obj)
        if options.table is not None:
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            shown = table(resource, [shown], meta, api.time(), include=options.table)
        return _line(kind, shown)

    chunk, seen = b"", options.since
    if seen is None:
        seen = api.store.revision
        chunk = b"".join(event("ADDED", rec.load()) for rec in api.select(resource, options.selection))
        if options.initial_end:
            chunk += _bookmark(resource, seen, _END_OF_INITIAL)
    yield chunk  # also when it is empty: it opens the stream
    clock = asyncio.get_running_loop().time
    deadline, bookmark_at = clock() + options.seconds, clock() + BOOKMARK_SECONDS
    while clock() < deadline:
        try:
            changes = api.store.changes(seen, resource.storage)
        except ApiError as error:
            yield _line("ERROR", error.status())
            return
        seen = api.store.revision
        chunk = b"".join(event(kind, obj) for change in changes for kind, obj in _seen(change, matches))
        if chunk:
            yield chunk
            continue
        await api.store.wait(min(deadline, bookmark_at) - clock())
        if options.bookmarks and clock() >= min(deadline, bookmark_at) and seen == api.store.revision:
            bookmark_at = clock() + BOOKMARK_SECONDS
            yield _bookmark(resource, seen)


def _seen(change: Change, matches: Callable[[Record], bool]) -> Iterator[tuple[str, Obj]]:
    """How a reader of a selection sees a change: an object that leaves the selection is deleted for it."""
    was = change.before is not None and matches(change.before)
    if not change.removed and matches(change.record):
        yield "MODIFIED" if was else "ADDED", change.record.load()
    elif was and change.before:
        last = (change.record if change.removed else change.before).load()
        last["metadata"]["resourceVersion"] = str(change.revision)
        yield "DELETED", last


def _bookmark(resource: Resource, revision: int, annotations: dict[str, str] | None = None) -> bytes:
    meta: Obj = {"name": "", "resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        meta["annotations"] = annotations
    return _line("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta})


def _line(kind: str, obj: Obj) -> bytes:
    return orjson.dumps({"type": kind, "object": obj}) + b"\n"
