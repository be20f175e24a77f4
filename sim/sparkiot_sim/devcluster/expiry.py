"""Events expire, as Kubernetes' API server lets them: without that, a cluster that runs for days holds all of them."""

import asyncio

from sparkiot_sim.devcluster.api import Api
from sparkiot_sim.devcluster.resources import EVENTS
from sparkiot_sim.devcluster.store import Key, Record

EVENT_TTL_S = 3600.0
"""Kubernetes' own default of ``--event-ttl``."""
LOOKS = 60
"""Looks in a time to live: an event is gone that share of it late at most."""


async def expire_events(api: Api, *, ttl_s: float) -> None:
    """Remove events that nobody has written for ``ttl_s`` seconds, for ever."""
    clock = asyncio.get_running_loop().time
    expiry = Expiry(ttl_s)
    while True:
        for key in expiry.due(api.store.records(EVENTS), now=clock()):
            api.store.remove(EVENTS, key)
        await asyncio.sleep(ttl_s / LOOKS)


class Expiry:
    """Which records nobody has written for ``ttl_s`` seconds. One that survived a restart begins anew."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._since: dict[Key, tuple[bytes, float]] = {}

    def due(self, records: list[Record], *, now: float) -> list[Key]:
        """records: all that there are. now: seconds on a clock that only grows."""
        since = {}
        for record in records:
            known = self._since.get(record.key)
            since[record.key] = known if known is not None and known[0] is record.raw else (record.raw, now)
        self._since = since
        return [key for key, (_, begun) in since.items() if now - begun >= self._ttl_s]
