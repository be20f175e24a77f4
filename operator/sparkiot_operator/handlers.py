"""kopf's handlers: they translate and call, and decide nothing.

A daemon for each SparkIoTJob runs its loop; spec edits wake it; the finalizer holds a deleted object until its job is
stopped.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import kopf

from .errors import BackendRefusedError, OperatorError
from .events import JobRef
from .loop import JobLoop
from .resource import GROUP, KIND, PLURAL, VERSION
from .services import Services
from .settings import Settings

DRIVER_LABELS = {"app.kubernetes.io/name": "sparkiot-job", "app.kubernetes.io/component": "driver"}
FINALIZER = f"{GROUP}/operator"
WATCH_GRACE_S = 30.0
"""Seconds by which the client outwaits the server's own end of a watch: only a dead connection takes longer."""
DELETE_RETRY_S = 5.0
CANCEL_S = 5.0
"""Seconds that a loop has to leave the call that it is in."""


def build_registry(services: Services) -> kopf.OperatorRegistry:
    """The handlers of one operator, in a registry of their own."""
    registry = kopf.OperatorRegistry()
    resource = (GROUP, VERSION, PLURAL)
    loops: dict[str, JobLoop] = {}

    @kopf.daemon(*resource, id="loop", registry=registry, cancellation_timeout=CANCEL_S)
    async def run_job(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
        ref = _ref(body)
        loops[ref.uid] = memo.loop = JobLoop(ref, lambda: body, services)
        try:
            # kopf ends a daemon by cancelling it and warns when that is what it then reports.
            with contextlib.suppress(asyncio.CancelledError):
                await memo.loop.run()
        finally:
            loops.pop(ref.uid, None)

    @kopf.on.event(*resource, id="wake", registry=registry)
    async def wake_job(memo: kopf.Memo, **_: Any) -> None:
        if "loop" in memo:
            memo.loop.notify()

    @kopf.on.event("v1", "pods", id="driver", labels=DRIVER_LABELS, registry=registry)
    async def wake_on_driver(body: kopf.Body, **_: Any) -> None:
        owners = [o for o in body.metadata.get("ownerReferences", []) if o.get("kind") == KIND]
        loop = loops.get(str(owners[0]["uid"])) if owners else None
        if loop is not None:
            loop.notice_driver(body.get("status") or {})

    @kopf.on.delete(*resource, id="stop", registry=registry)
    async def stop_job(body: kopf.Body, memo: kopf.Memo, **_: Any) -> None:
        loop = memo.loop if "loop" in memo else JobLoop(_ref(body), lambda: body, services)
        try:
            await loop.stop()
        except BackendRefusedError as error:
            raise kopf.PermanentError(str(error)) from error
        except OperatorError as error:
            raise kopf.TemporaryError(str(error), delay=DELETE_RETRY_S) from error

    return registry


def kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    """kopf's own settings: no peering, no events of its own, its marks under our group, watches that cannot die unseen
    (kopf#585, kopf#698)."""
    own = kopf.OperatorSettings()
    own.posting.enabled = False
    own.peering.standalone = True
    own.scanning.disabled = True
    own.persistence.finalizer = FINALIZER
    own.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    own.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    own.watching.server_timeout = settings.watch_timeout_seconds
    own.watching.client_timeout = settings.watch_timeout_seconds + WATCH_GRACE_S
    own.watching.connect_timeout = settings.api_timeout_seconds
    own.networking.request_timeout = settings.api_timeout_seconds
    own.networking.error_backoffs = Backoffs(
        first=settings.error_backoff_seconds, longest=settings.error_backoff_max_seconds
    )
    own.process.ultimate_exiting_timeout = settings.shutdown_seconds
    return own


class Backoffs:
    """Waits in seconds that double up to the longest, without end: an API server may be away for hours."""

    def __init__(self, *, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest

    def __iter__(self) -> Iterator[float]:
        wait = self._first
        while True:
            yield wait
            wait = min(2 * wait, self._longest)


def _ref(body: kopf.Body) -> JobRef:
    meta = body.metadata
    return JobRef(str(meta.namespace), str(meta.name), str(meta.uid))
