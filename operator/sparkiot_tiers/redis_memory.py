"""Whether a Redis server has room for a block: asked before it is sent, as a full server would evict or refuse."""

from __future__ import annotations

import threading
from typing import Any, Callable, NamedTuple

from sparkiot_tiers.errors import TierFull, TierMisconfigured
from sparkiot_tiers.store import HOT

LOOK_SECONDS = 0.1
"""How old the reading of the server's memory may be; what this process wrote since is added."""
ALLOCATED = 1.25
"""Bytes that Redis takes up for a byte of a large string, at most: jemalloc has four sizes between powers of two."""


class Memory(NamedTuple):
    """A server's memory as it was read: bytes in use, the bytes that it may use (None: no limit), and when."""

    used: int
    limit: int | None
    read_at: float


class Room:
    """Of all servers that a store writes to. ceiling: bytes that each may have in use, below its own ``maxmemory``.

    where: the address for messages. clock: seconds. May be used by several threads.
    """

    def __init__(self, where: str, *, ceiling: int | None, clock: Callable[[], float]) -> None:
        self._where, self._ceiling, self._clock = where, ceiling, clock
        self._lock = threading.Lock()
        self._memory: dict[str, Memory] = {}

    def claim(self, node: str, client: Any, size: int, *, at_once: int) -> None:
        """Count a block of that size in, of which at most at_once bytes arrive at once.

        Raises TierFull when it would not fit, TierMisconfigured for a server that evicts.
        """
        with self._lock:
            memory = self._memory.get(node)
        if memory is None or not 0 <= self._clock() - memory.read_at < LOOK_SECONDS:
            memory = self._look(client)
        kept = int(size * ALLOCATED)
        arriving = int(min(size, at_once) * ALLOCATED)  # the server holds it once more while it comes in
        if memory.limit is not None and memory.used + kept + arriving > memory.limit:
            raise TierFull(
                HOT,
                f"Redis at {self._where} has no room for a block of {size} bytes: {memory.used} of {memory.limit} are "
                "in use; raise its maxmemory or the tier's ceiling, or let more servers share the load",
            )
        with self._lock:
            self._memory[node] = memory._replace(used=memory.used + kept)

    def _look(self, client: Any) -> Memory:
        found = client.info("memory")
        own, policy = int(found.get("maxmemory", 0)), found.get("maxmemory_policy", "noeviction")
        if own and policy != "noeviction":
            raise TierMisconfigured(
                HOT,
                f"Redis at {self._where} has the maxmemory-policy {policy}, which may evict blocks that are yet to be "
                "read; set it to noeviction",
            )
        limits = [limit for limit in (own, self._ceiling) if limit]
        return Memory(int(found["used_memory"]), min(limits, default=None), self._clock())
