"""Every SparkSession of the user's file, and a listener to the streaming queries of each."""

from __future__ import annotations

import functools
import threading
from typing import Any, Callable

import pyspark.sql.streaming.query as streaming
from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQueryListener

Hook = Callable[[Any], None]


class Listener(StreamingQueryListener):  # type: ignore[misc] # mypy does not follow pyspark
    """Passes each event on to a function of its name's kind: started, progress, idle, terminated."""

    def __init__(self, hooks: dict[str, Hook]) -> None:
        self._hooks = hooks

    def onQueryStarted(self, event: Any) -> None:  # noqa: N802 - Spark names it
        self._hooks["started"](event)

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802 - Spark names it
        self._hooks["progress"](event)

    def onQueryIdle(self, event: Any) -> None:  # noqa: N802 - Spark names it
        self._hooks["idle"](event)

    def onQueryTerminated(self, event: Any) -> None:  # noqa: N802 - Spark names it
        self._hooks["terminated"](event)


class Sessions:
    """Watches sessions come: each has a query manager of its own, so each gets the listener once."""

    def __init__(self, hooks: dict[str, Hook]) -> None:
        self._hooks = hooks
        self._known: list[Any] = []
        self._lock = threading.Lock()

    def watch(self) -> None:
        """From now on every SparkSession made in this process is seen, whichever way it is made."""
        original = SparkSession.__init__

        @functools.wraps(original)
        def init(session: Any, *args: Any, **kwargs: Any) -> None:
            original(session, *args, **kwargs)
            self._add(session)

        SparkSession.__init__ = init

    def _add(self, session: Any) -> None:
        jsession = session._jsparkSession  # noqa: SLF001 - several Python objects stand for one of these
        with self._lock:
            if any(jsession.equals(known) for known in self._known):
                return
            if any(known.sparkContext().isStopped() for known in self._known):
                self._known.clear()
            self._known.append(jsession)
        session.streams.addListener(Listener(self._hooks))

    def active_queries(self) -> dict[str, Any]:
        """The JVM's queries that run now, by id."""
        with self._lock:
            known = list(self._known)
        return {q.id().toString(): q for session in known for q in session.streams().active()}


def hold_waiters(stopping: threading.Event) -> None:
    """While we stop its queries the user's thread shall not go on as if they had ended by themselves."""

    def held(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def wait(*args: Any, **kwargs: Any) -> Any:
            try:
                return original(*args, **kwargs)
            finally:
                if stopping.is_set():
                    threading.Event().wait()  # the process ends below this thread

        return wait

    is_active = streaming.StreamingQuery.isActive.fget

    def active(query: Any) -> bool:
        runs = bool(is_active(query))
        if not runs and stopping.is_set():
            threading.Event().wait()
        return runs

    streaming.StreamingQuery.isActive = property(active)
    streaming.StreamingQuery.awaitTermination = held(streaming.StreamingQuery.awaitTermination)
    manager = streaming.StreamingQueryManager
    manager.awaitAnyTermination = held(manager.awaitAnyTermination)
