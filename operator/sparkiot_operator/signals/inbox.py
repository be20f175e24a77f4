"""Which signals are believed. Pure: payloads and times in, the newest signal and counts out.

A signal is dropped where it is none, is old or repeated, comes from the future, or claims more than the job's bound.
Gateways have clocks of their own: how far one is off is measured as the median distance between a signal's time and its
arrival, which includes the way it takes, and single liars do not move it. Up to TOLERATED_SKEW_S nothing is done, up to
MOST_SKEW_S the signal's time is moved, beyond that the gateway is not believed, and all of it is reported.
"""

import enum
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from statistics import median

from sparkiot_edge.signal import GROWN, Flaw, Signal, SignalError, parse_signal
from sparkiot_policies.measurement import EdgeSignal

TOLERATED_SKEW_S = 2.0
MOST_SKEW_S = 300.0
SKEW_SIGNALS = 9
"""Newest signals of a source that its skew is the median of."""
LEAST_FOR_SKEW = 3
MOST_SOURCES = 16
"""Sources that are remembered: names are text that anybody can make up."""


class Dropped(enum.StrEnum):
    """Why a signal is not believed. The first four are ``Flaw``'s."""

    TOO_LARGE = Flaw.TOO_LARGE.value
    NOT_JSON = Flaw.NOT_JSON.value
    WRONG_SCHEMA = Flaw.WRONG_SCHEMA.value
    IMPLAUSIBLE = Flaw.IMPLAUSIBLE.value
    STALE = "Stale"
    DUPLICATE = "Duplicate"
    OUT_OF_ORDER = "OutOfOrder"
    FUTURE = "Future"
    CLOCK_SKEW = "ClockSkew"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A signal that is believed. time: when it was made, epoch seconds by the reader's clock. arrived: the same clock.
    burst: it is the first to announce one, or announces GROWN times what the last such signal did."""

    signal: Signal
    time: float
    arrived: float
    burst: bool


@dataclass(slots=True)
class _Source:
    """last: the newest time by the source's own clock. offsets: arrival minus time of its newest live signals."""

    last: float | None = None
    offsets: deque[float] = field(default_factory=lambda: deque(maxlen=SKEW_SIGNALS))

    @property
    def skew_s(self) -> float:
        return median(self.offsets) if len(self.offsets) >= LEAST_FOR_SKEW else 0.0


class SignalInbox:
    """The signals of one job.

    stale_after_s: age from which a signal says nothing. max_rate: messages/s beyond which it is not believed. Both may
    change.
    """

    def __init__(self, *, stale_after_s: float, max_rate: float) -> None:
        self.stale_after_s = stale_after_s
        self.max_rate = max_rate
        self.accepted = 0
        self.dropped: Counter[Dropped] = Counter()
        self._newest: Accepted | None = None
        self._announced = 0.0
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    @property
    def received(self) -> int:
        return self.accepted + self.dropped.total()

    @property
    def newest(self) -> Accepted | None:
        """The newest that was believed, however old."""
        return self._newest

    @property
    def skew_s(self) -> float:
        """Seconds by which the newest signal's source is behind this clock, the way included; negative: ahead."""
        source = self._sources.get(self._newest.signal.source) if self._newest else None
        return source.skew_s if source else 0.0

    def edge_signal(self) -> EdgeSignal | None:
        """The newest as decisions see it; they judge its age."""
        newest = self._newest
        return newest.signal.to_edge_signal(time=newest.time) if newest else None

    def take(self, payload: bytes, *, now: float, direct: bool = True) -> Accepted | Dropped:
        """Judge one payload. now: of its arrival, epoch seconds. direct: it came straight from the gateway; else a
        broker kept it, and its arrival says nothing of the gateway's clock."""
        try:
            signal = parse_signal(payload)
        except SignalError as error:
            return self._drop(Dropped(error.flaw.value))
        if signal.predicted_rate > self.max_rate:
            return self._drop(Dropped.IMPLAUSIBLE)
        source = self._source(signal.source)
        repeated = self._repeated(source, signal)
        if repeated is not None:
            return self._drop(repeated)
        offset = now - signal.time
        if direct and abs(offset) <= 2 * MOST_SKEW_S:
            source.offsets.append(offset)
        skew = source.skew_s
        time = signal.time + (skew if abs(skew) > TOLERATED_SKEW_S else 0.0)
        if (wrong := self._wrong_time(min(time, signal.time), time, now=now, skew=skew)) is not None:
            return self._drop(wrong)
        return self._accept(source, signal, time=min(time, now), now=now)

    def _wrong_time(self, earliest: float, time: float, *, now: float, skew: float) -> Dropped | None:
        """earliest: by either clock. One that arrives sooner than those before it, which were held up, seems to come
        from the future by the skew that they taught."""
        if abs(skew) > MOST_SKEW_S:
            return Dropped.CLOCK_SKEW
        if earliest > now + TOLERATED_SKEW_S:
            return Dropped.FUTURE
        return Dropped.STALE if now - time > self.stale_after_s else None

    def _accept(self, source: _Source, signal: Signal, *, time: float, now: float) -> Accepted:
        source.last = signal.time
        before = self._newest
        stands = before is not None and before.signal.alarm and now - before.arrived <= self.stale_after_s
        burst = signal.alarm and (not stands or signal.predicted_rate > GROWN * self._announced)
        if burst:
            self._announced = signal.predicted_rate
        found = Accepted(signal, time, now, burst=burst)
        # Of one source what is accepted is always newer; only sources are compared by the reader's clock.
        if before is None or before.signal.source == signal.source or time >= before.time:
            self._newest = found
        self.accepted += 1
        return found

    @staticmethod
    def _repeated(source: _Source, signal: Signal) -> Dropped | None:
        if source.last is None or signal.time > source.last:
            return None
        return Dropped.DUPLICATE if signal.time == source.last else Dropped.OUT_OF_ORDER

    def _source(self, name: str) -> _Source:
        source = self._sources.pop(name, None) or _Source()
        self._sources[name] = source
        if len(self._sources) > MOST_SOURCES:
            self._sources.popitem(last=False)
        return source

    def _drop(self, reason: Dropped) -> Dropped:
        self.dropped[reason] += 1
        return reason
