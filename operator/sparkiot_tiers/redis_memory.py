"""Whether a Redis server has room for a block: asked before it is sent, as a full server would evict or refuse."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, NamedTuple

from sparkiot_tiers.errors import TierFull, TierMisconfigured
from sparkiot_tiers.store import HOT

LOOKS, PAUSE_SECONDS = 20, 0.05
"""How often a server that is freeing memory is looked at before it counts as full."""
LOOK_SECONDS = 0.1
"""How old the reading of the server's memory may be; what this process wrote since is added."""
ALLOCATED = 1.25
"""Bytes that Redis takes up for a byte of a large string, at most: jemalloc has four sizes between powers of two."""


class Memory(NamedTuple):
    """A server's memory as it was read: bytes in use, the bytes that it may use (None: no limit), and when. freeing:
    what was deleted is not free yet."""

    used: int
    limit: int | None
    read_at: float
    freeing: bool = False

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more are within the limit."""
        return self.limit is None or self.used + size <= self.limit


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
        needed = kept + int(min(size, at_once) * ALLOCATED)  # the server holds it once more while it comes in
        if not memory.has_room(needed):
            memory = self._freed(client, needed)
        with self._lock:
            self._memory[node] = memory._replace(used=memory.used + kept)

    def _freed(self, client: Any, needed: int) -> Memory:
        """A new reading that has room: the last one may be older than a deletion, and what is deleted is freed a moment
        later. Raises TierFull."""
        for _ in range(LOOKS):
            memory = self._look(client)
            if memory.has_room(needed):
                return memory
            if not memory.freeing:
                break
            time.sleep(PAUSE_SECONDS)
        raise TierFull(
            HOT,
            f"Redis at {self._where} has no room for the {needed} bytes that a block needs: {memory.used} of "
            f"{memory.limit} are in use; raise its maxmemory or the tier's ceiling, or let more servers share the load",
        )

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
        freeing = int(found.get("lazyfree_pending_objects", 0)) > 0
        return Memory(int(found["used_memory"]), min(limits, default=None), self._clock(), freeing)
