"""One job's subscription: kept as its spec says, read by its loop, and heard at once when a burst is announced."""

import asyncio
import logging
import secrets
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sparkiot_edge.mqtt import BrokerError
from sparkiot_operator.errors import ApiError
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.edge import KafkaSource, MqttSource, SignalSource
from sparkiot_policies.measurement import EdgeSignal

from .inbox import Accepted, SignalInbox
from .reader import SignalReader, open_reader

LOGGER = logging.getLogger(__name__)
RENEW_S = 60.0
"""A reader whose broker has been away for so long is made anew, with the secret as it is then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsView:
    """How a job's signals stand. followed_s: since when they are followed. age_s: of the newest, None before the first;
    time, source: its own. skew_s: of the source's clock. problem: why none can come; None when nothing hinders them."""

    followed_s: float
    stale_after_s: float
    time: float | None = None
    age_s: float | None = None
    source: str | None = None
    skew_s: float = 0.0
    accepted: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


class SignalWatch:
    """Follows the source that the spec names.

    read_secret: a Secret of the job's namespace by its name; raises ApiError. clock: epoch seconds. on_burst: called in
    the event loop when a signal is the first to announce a burst, or announces a larger one.
    """

    def __init__(
        self,
        ref: JobRef,
        *,
        read_secret: Callable[[str], Awaitable[Mapping[str, Any]]],
        clock: Callable[[], float],
        on_burst: Callable[[], None],
    ) -> None:
        self._ref = ref
        self._read_secret = read_secret
        self._clock = clock
        self._on_burst = on_burst
        self._followed: MqttSource | KafkaSource | None = None
        self._since = 0.0
        self._reader: SignalReader | None = None
        self._problem: str | None = None
        self._down_since: float | None = None
        # Payloads are judged on the reader's thread, so that a flood of them does not stand in every job's way.
        self._lock = threading.Lock()
        self._inbox = SignalInbox(stale_after_s=1.0, max_rate=1.0)

    async def follow(self, source: SignalSource | None) -> None:
        """Subscribe as the spec now says. What cannot be is a problem, to be tried again with the next call."""
        wanted = (source.mqtt or source.kafka) if source else None
        if source is None or wanted is None:
            await self.stop()
            return
        if wanted != self._followed:
            await self.stop()
            self._followed, self._since = wanted, self._clock()
            self._inbox = SignalInbox(stale_after_s=1.0, max_rate=1.0)
        with self._lock:
            self._inbox.stale_after_s, self._inbox.max_rate = seconds(source.stale_after), source.max_rate
        await self._drop_dead_reader()
        if self._reader is None:
            await self._connect(wanted, lookback_s=seconds(source.stale_after))

    async def stop(self) -> None:
        """Idempotent."""
        self._followed = self._problem = None
        await self._disconnect()

    async def _disconnect(self) -> None:
        reader, self._reader, self._down_since = self._reader, None, None
        if reader is not None:
            await asyncio.to_thread(reader.stop)

    async def _drop_dead_reader(self) -> None:
        if self._reader is None or self._reader.problem is None:
            self._down_since = None
        elif self._down_since is None:
            self._down_since = self._clock()
        elif self._clock() - self._down_since >= RENEW_S:
            self._problem = self._reader.problem
            await self._disconnect()

    def edge_signal(self) -> EdgeSignal | None:
        """The newest that is believed, however old; None where nothing is followed."""
        if self._followed is None:
            return None
        with self._lock:
            return self._inbox.edge_signal()

    def view(self) -> SignalsView | None:
        """None where nothing is followed."""
        if self._followed is None:
            return None
        now = self._clock()
        with self._lock:
            newest = self._inbox.newest
            return SignalsView(
                followed_s=now - self._since,
                stale_after_s=self._inbox.stale_after_s,
                time=newest.time if newest else None,
                age_s=max(now - newest.time, 0.0) if newest else None,
                source=newest.signal.source if newest else None,
                skew_s=self._inbox.skew_s,
                accepted=self._inbox.accepted,
                dropped={reason.value: count for reason, count in sorted(self._inbox.dropped.items())},
                problem=self._reader.problem if self._reader else self._problem,
            )

    async def _connect(self, source: MqttSource | KafkaSource, *, lookback_s: float) -> None:
        loop, inbox = asyncio.get_running_loop(), self._inbox

        def take(payload: bytes, direct: bool) -> None:
            with self._lock:
                found = inbox.take(payload, now=self._clock(), direct=direct)
            if isinstance(found, Accepted):
                if found.burst:
                    loop.call_soon_threadsafe(self._on_burst)
            else:
                LOGGER.debug("%s: a signal was dropped: %s", self._ref, found.value)

        # A name of its own each time: two operators of one name would put each other out.
        name = f"sparkiot-{secrets.token_hex(8)}"
        try:
            secret = None
            if source.credentials_from is not None:
                secret = await self._read_secret(source.credentials_from.secret_ref.name)
            reader = open_reader(source, secret, take, client_id=name, lookback_s=lookback_s)
        except (ApiError, BrokerError) as error:
            self._problem = str(error)
            return
        self._reader = reader
        reader.start()
